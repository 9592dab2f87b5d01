"""How the new lips are sampled, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, TypeVar

import typer

from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.settings import DubSettings
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import LIMITS, reuse_named
from xdub_core.sampling.samplers import SAMPLERS
from xdub_core.sampling.schedule import SCHEDULES

_option = partial(typer.Option, rich_help_panel="Sampling")

Settings = TypeVar("Settings", DubSettings, ClipGeometry, SamplerSettings, Guidance)


@dataclass(frozen=True)
class SamplingOptions:
    """What differs from a model's own settings; None: nothing."""

    steps: Annotated[int | None, _option(help="Sampling steps, if not the model's own 30.")] = None
    ref_scale: Annotated[
        float | None, _option(help="How closely to keep to the source's looks, if not the model's own 2.5.")
    ] = None
    audio_scale: Annotated[
        float | None, _option(help="How strongly the lips follow the speech, if not the model's own 10.")
    ] = None
    dynamic_guidance: Annotated[
        bool | None,
        _option(
            "--dynamic-guidance/--constant-guidance",
            help="Let both scales fall with the noise, as the released model wants it, or keep them at every step.",
        ),
    ] = None
    shift: Annotated[float | None, _option(help="Shift of the noise schedule, if not the model's own 5.")] = (
        None
    )
    sampler: Annotated[
        str | None,
        _option(help=f"{', '.join(SAMPLERS)}, as ComfyUI's of these names, if not the model's own euler."),
    ] = None
    schedule: Annotated[
        str | None,
        _option(help=f"{', '.join(SCHEDULES)}, as ComfyUI's schedulers, if not the model's own simple."),
    ] = None
    speed: Annotated[
        str | None,
        _option(
            help="exact: every prediction of the model is made. balanced: half of them, fast: a quarter; earlier ones "
            "stand in for the rest, which changes the picture a little. Or three limits of your own, as "
            f"{LIMITS} (balanced): how far the noise, which falls from 1 to 0, may fall before the prediction is made "
            "again, and before what audio and reference change is, both times how much they are guided. Default: exact."
        ),
    ] = None
    seed: Annotated[int, _option(help="Same seed, same dub.")] = 42
    crop_size: Annotated[int | None, _option(help="Pixels of the face crop, if not the model's own 512.")] = (
        None
    )
    clip_frames: Annotated[int | None, _option(help="Frames per clip, if not the model's own 77.")] = None
    motion_frames: Annotated[
        int | None, _option(help="Frames that a clip takes over, if not the model's 5.")
    ] = None
    match_colors: Annotated[bool, _option(help="Match the crop's colours to the source's.")] = True
    retries: Annotated[
        int | None,
        _option(
            help="How often a clip that came out broken (noise, a flash, a picture that falls apart) is sampled again, "
            "if not 2 times; 0: clips are not checked."
        ),
    ] = None
    as_released: Annotated[
        bool, _option("--as-released", help="Do everything as the release does, for comparison.")
    ] = False
    reference: Annotated[bool, typer.Option("--reference", hidden=True)] = False
    """The former name of `--as-released`."""

    def settings(self, own: DubSettings) -> DubSettings:
        """A model's own settings with what was chosen in their place. Raises SettingsError for values out of range."""
        guidance = _given(
            own.sampler.guidance,
            reference_scale=self.ref_scale,
            audio_scale=self.audio_scale,
            dynamic=self.dynamic_guidance,
        )
        return _given(
            own,
            crop_size=self.crop_size,
            geometry=_given(own.geometry, frames=self.clip_frames, motion_frames=self.motion_frames),
            sampler=_given(
                own.sampler,
                steps=self.steps,
                shift=self.shift,
                sampler=self.sampler,
                schedule=self.schedule,
                reuse=None if self.speed is None else reuse_named(self.speed),
                seed=self.seed,
                guidance=guidance,
            ),
            match_colors=self.match_colors,
            retries=self.retries,
            as_released=self.as_released or self.reference,
        )


def _given(defaults: Settings, **values: Any) -> Settings:
    """`defaults` with those values in their place that are not None."""
    return replace(defaults, **{name: value for name, value in values.items() if value is not None})
