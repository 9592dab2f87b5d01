"""Guidance: how strongly the result follows the source video and the speech, and when."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets
from .inputs import Choice, check_choice, chosen, noise_level


def _scale(name: str, default: float, highest: float, tooltip: str, advanced: bool = False) -> Any:
    return io.Float.Input(
        name, default=default, min=0.0, max=highest, step=0.05, tooltip=tooltip, advanced=advanced
    )


NUMBERS, DRAWN = "numbers", "drawn"


def _drawn() -> list[io.Input]:
    """What is drawn in place of numbers: both curves begin as the released model's."""
    from xdub_core.sampling.drawn_curve import AUDIO_POINTS, REFERENCE_POINTS

    axes = "From the left, noise 0, where sampling ends, to the right, noise 1, where it begins. "
    return [
        io.Curve.Input(
            "audio",
            default=list(AUDIO_POINTS),
            optional=True,
            tooltip=axes
            + "The height is the fraction of audio_scale. Behind it, once it has run: where the released "
            "model's 30 steps lie.",
        ),
        io.Curve.Input(
            "reference",
            default=list(REFERENCE_POINTS),
            optional=True,
            tooltip=axes
            + "The height is the fraction of reference_scale: the pose is decided at the right, the lips "
            "in the middle, texture at the left.",
        ),
        io.Range.Input(
            "window",
            default={"min": 0.0, "max": 1.0},
            value_min=0.0,
            value_max=1.0,
            optional=True,
            tooltip="The noise levels with guidance: none outside of them, where steps take a third of the time.",
        ),
    ]


class DubGuidance(io.ComfyNode):
    """Numbers to a Guidance."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubGuidance",
            display_name="Guidance (X-Dub)",
            category=sockets.CATEGORY,
            description="How strongly the result follows the source video (its face, light and pose) and the speech "
            "(the lips). Noise levels run from 1, where sampling begins, to 0, where it ends.",
            search_aliases=["cfg", "guidance scale", "lip strength"],
            accept_all_inputs=True,  # a mistyped choice, too, which else were left out
            inputs=[
                _scale("reference_scale", 2.5, 20.0, "How strongly the face follows the source video's."),
                _scale(
                    "audio_scale",
                    10.0,
                    50.0,
                    "How strongly the lips follow the speech. More opens the mouth wider; too much distorts it.",
                ),
                io.Boolean.Input(
                    "dynamic",
                    default=True,
                    label_on="dynamic",
                    label_off="constant",
                    tooltip="Dynamic: both fall with the noise, along the curves below, as the released model wants. "
                    "Constant: both stay at their scale all the time.",
                ),
                _scale(
                    "audio_power",
                    1.5,
                    8.0,
                    "Dynamic audio scale: the noise level to this power. More lets it fall sooner; 0 is constant.",
                    advanced=True,
                ),
                _scale(
                    "reference_high",
                    1.0,
                    4.0,
                    "Dynamic reference scale: this fraction of it at high noise, where the pose is decided.",
                    advanced=True,
                ),
                _scale(
                    "reference_middle",
                    0.6,
                    4.0,
                    "This fraction of it at middle noise, where the lips are.",
                    advanced=True,
                ),
                _scale(
                    "reference_low",
                    0.3,
                    4.0,
                    "This fraction of it at low noise, where texture comes.",
                    advanced=True,
                ),
                noise_level(
                    "high_until",
                    0.85,
                    "The noise level at which the high fraction starts to become the middle one.",
                ),
                noise_level("middle_from", 0.75, "The noise level from which on the middle fraction holds."),
                noise_level(
                    "middle_until",
                    0.45,
                    "The noise level at which the middle fraction starts to become the low one.",
                ),
                noise_level("low_from", 0.35, "The noise level from which on the low fraction holds."),
                noise_level("start", 1.0, "No guidance above this noise level: faster, and less strict."),
                noise_level(
                    "end",
                    0.0,
                    "No guidance below this noise level: the last steps then take a third of the time.",
                ),
                Choice(
                    "curves",
                    {NUMBERS: [], DRAWN: _drawn()},
                    "numbers: the scales go as the numbers above say. drawn: along curves that you draw, in "
                    "ComfyUI's new nodes (Nodes 2.0) and in App mode: first the audio's, then the reference's, and "
                    "below them the window; dynamic and all numbers above but the two scales then do not count.",
                    optional=True,
                ),
            ],
            has_intermediate_output=True,
            outputs=[sockets.Guidance.Output(display_name="guidance", tooltip="For the X-Dub samplers.")],
        )

    @classmethod
    def validate_inputs(
        cls,
        high_until: float | None = None,
        middle_from: float | None = None,
        middle_until: float | None = None,
        low_from: float | None = None,
        start: float | None = None,
        end: float | None = None,
        curves: Any = None,
    ) -> bool | str:
        falling = [high_until, middle_from, middle_until, low_from]
        names = "high_until, middle_from, middle_until and low_from"
        for values, what in ((falling, names), ([start, end], "start and end")):
            given = [value for value in values if value is not None]
            if given != sorted(given, reverse=True):
                return f"{what} are {given}: noise falls while sampling, so each must be at or below the one before it"
        return check_choice("curves", chosen("curves", curves)[0], [NUMBERS, DRAWN])

    @classmethod
    def execute(
        cls,
        reference_scale: float,
        audio_scale: float,
        dynamic: bool,
        audio_power: float,
        reference_high: float,
        reference_middle: float,
        reference_low: float,
        high_until: float,
        middle_from: float,
        middle_until: float,
        low_from: float,
        start: float,
        end: float,
        curves: Any = NUMBERS,
        **_others: Any,
    ) -> io.NodeOutput:
        from xdub_core.sampling.guidance import Guidance, GuidanceCurve

        from .comfy_bridge.guidance_plot import shown_guidance

        shape, drawn = chosen("curves", curves)
        if shape == DRAWN:
            from .comfy_bridge.guidance import drawn_guidance, steps_behind

            guidance = drawn_guidance(reference_scale, audio_scale, drawn)
            return io.NodeOutput(guidance, ui=shown_guidance(guidance) | steps_behind())
        curve = GuidanceCurve(
            audio_power,
            (reference_high, reference_middle, reference_low),
            ((high_until, middle_from), (middle_until, low_from)),
        )
        guidance = Guidance(reference_scale, audio_scale, dynamic, curve, start, end)
        return io.NodeOutput(guidance, ui=shown_guidance(guidance))
