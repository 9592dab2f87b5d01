"""LoRA experts for lips and texture."""

from __future__ import annotations

from typing import Any

import folder_paths
from comfy_api.latest import io

from . import sockets
from .comfy_bridge.host.model_files import found
from .inputs import check_choice, noise_level

FROM_FILE, LIP, TEXTURE, CUSTOM = "as the file says", "lip (0.8 to 0.4)", "texture (0.3 to 0)", "custom"
NOISE_RANGES = [FROM_FILE, LIP, TEXTURE, CUSTOM]


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
                io.Combo.Input(
                    "noise_range",
                    options=NOISE_RANGES,
                    default=FROM_FILE,
                    tooltip="When the expert acts, as noise levels: sampling begins at 1 (all noise) and ends at 0. "
                    "Experts trained with X-Dub's own trainer say it in their file.",
                ),
                noise_level(
                    "from_noise",
                    1.0,
                    "With a custom range: the noise level at which the expert begins to act.",
                ),
                noise_level(
                    "to_noise", 0.0, "With a custom range: the noise level below which it no longer acts."
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model with the expert.")],
        )

    @classmethod
    def validate_inputs(
        cls, noise_range: str | None = None, from_noise: float | None = None, to_noise: float | None = None
    ) -> bool | str:
        for name, level in (("from_noise", from_noise), ("to_noise", to_noise)):
            if level is not None and not 0 <= level <= 1:
                return f"{name} is {level}: noise levels are between 0 and 1"
        if (
            noise_range == CUSTOM
            and from_noise is not None
            and to_noise is not None
            and from_noise < to_noise
        ):
            return f"from_noise {from_noise} is below to_noise {to_noise}: noise falls, so exchange the two"
        return check_choice("noise_range", noise_range, NOISE_RANGES)

    @classmethod
    def execute(
        cls, model: Any, expert: str, strength: float, noise_range: str, from_noise: float, to_noise: float
    ) -> io.NodeOutput:
        from xdub_core.experts.expert import LIP_RANGE, TEXTURE_RANGE, stated_expert

        from .comfy_bridge.expert import with_expert

        path = found("loras", expert)
        if noise_range == FROM_FILE:
            info = stated_expert(path)
            lowest, highest = info.lowest, info.highest
        else:
            ranges = {LIP: LIP_RANGE, TEXTURE: TEXTURE_RANGE}
            lowest, highest = ranges.get(noise_range, (to_noise, from_noise))
        return io.NodeOutput(with_expert(model, path, strength, lowest, highest))
