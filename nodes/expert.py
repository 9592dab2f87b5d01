"""LoRA experts for lips and texture."""

from __future__ import annotations

from typing import Any

import folder_paths
from comfy_api.latest import io

from . import sockets
from .comfy_bridge.host.model_files import found
from .inputs import Choice, check_choice, chosen, noise_level

FROM_FILE, LIP, TEXTURE, CUSTOM = "as the file says", "lip (0.8 to 0.4)", "texture (0.3 to 0)", "custom"
SLIDER = "custom (slider)"
NOISE_RANGES = [FROM_FILE, LIP, TEXTURE, CUSTOM, SLIDER]


def _inputs_of(noise_range: str) -> list[io.Input]:
    """What a way to say when the expert acts asks for, and no other does."""
    if noise_range == SLIDER:
        return [
            io.Range.Input(
                "range",
                default={"min": 0.0, "max": 1.0},
                value_min=0.0,
                value_max=1.0,
                optional=True,
                tooltip="The noise levels between which the expert acts.",
            )
        ]
    if noise_range != CUSTOM:
        return []
    return [
        noise_level("from_noise", 1.0, "The noise level at which the expert begins to act.", optional=True),
        noise_level("to_noise", 0.0, "The noise level below which it no longer acts.", optional=True),
    ]


class LoraExpert(io.ComfyNode):
    """MODEL -> MODEL with one more expert."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubExpert",
            display_name="LoRA Expert (X-Dub)",
            category=sockets.CATEGORY,
            description="Adds a LoRA that acts only while the noise is within its range: a lip expert in the middle of "
            "sampling, a texture expert at its end. The model's weights stay as they are, so it works with fp8 and "
            "GGUF models too. Chain several nodes for several experts.",
            search_aliases=["lora", "lip expert", "texture expert"],
            accept_all_inputs=True,  # workflows from before `noise_range` had inputs of its own give them beside it
            inputs=[
                io.Model.Input("model", tooltip="The X-Dub model, from Load Diffusion Model."),
                io.Combo.Input(
                    "expert",
                    options=folder_paths.get_filename_list("loras"),
                    tooltip="The expert's file, in models/loras.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How strongly the expert acts: 1 as it was trained, 0 not at all.",
                ),
                Choice(
                    "noise_range",
                    {each: _inputs_of(each) for each in NOISE_RANGES},
                    "When the expert acts, as noise levels: sampling begins at 1 (all noise) and ends at 0. "
                    "Experts trained with X-Dub's own trainer say it in their file. custom asks for two numbers, "
                    "custom (slider) for two handles, in ComfyUI's new nodes (Nodes 2.0) and in App mode.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model with the expert.")],
        )

    @classmethod
    def validate_inputs(
        cls, noise_range: Any = None, from_noise: float | None = None, to_noise: float | None = None
    ) -> bool | str:
        place, _ = chosen("noise_range", noise_range)
        for name, level in (("from_noise", from_noise), ("to_noise", to_noise)):
            if level is not None and not 0 <= level <= 1:
                return f"{name} is {level}: noise levels are between 0 and 1"
        if place == CUSTOM and from_noise is not None and to_noise is not None and from_noise < to_noise:
            return _upside_down(from_noise, to_noise)
        return check_choice("noise_range", place, NOISE_RANGES)

    @classmethod
    def execute(
        cls,
        model: Any,
        expert: str,
        strength: float,
        noise_range: Any,
        from_noise: float = 1.0,
        to_noise: float = 0.0,
        **_others: Any,
    ) -> io.NodeOutput:
        from xdub_core.errors import SettingsError
        from xdub_core.experts.expert import LIP_RANGE, TEXTURE_RANGE, stated_expert

        from .comfy_bridge.expert import with_expert
        from .comfy_bridge.guidance import range_of

        path = found("loras", expert)
        place, own = chosen("noise_range", noise_range)
        if place == FROM_FILE:
            info = stated_expert(path)
            lowest, highest = info.lowest, info.highest
        elif place == SLIDER:
            lowest, highest = range_of(own.get("range", {"min": 0.0, "max": 1.0}))
        else:
            typed = own.get("to_noise", to_noise), own.get("from_noise", from_noise)
            lowest, highest = {LIP: LIP_RANGE, TEXTURE: TEXTURE_RANGE}.get(place, typed)
            if lowest > highest:
                raise SettingsError(_upside_down(highest, lowest))
        return io.NodeOutput(with_expert(model, path, strength, lowest, highest))


def _upside_down(from_noise: float, to_noise: float) -> str:
    return f"from_noise {from_noise} is below to_noise {to_noise}: noise falls, so exchange the two"
