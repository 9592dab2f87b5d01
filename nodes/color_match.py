"""Colour Match: generated crops take over the colours of their source crops."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from . import inputs, sockets
from .comfy_bridge.types import ReferenceLatents


class ColorMatch(io.ComfyNode):
    """Crops to crops."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubColorMatch",
            display_name="Colour Match (X-Dub)",
            category=sockets.CATEGORY,
            description="Gives every dubbed crop the colours of its source crop, judged by the pixels that the dub "
            "left as they were. Also cuts off what the last clip made beyond the end.",
            search_aliases=["color match", "colour correction"],
            is_input_list=True,
            inputs=[
                io.Image.Input("images", tooltip="The dubbed crops, from VAE Decode."),
                inputs.reference("The same that the sampler has."),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    is_output_list=True,
                    tooltip="For Paste Back: one batch for each shot.",
                )
            ],
        )

    @classmethod
    def execute(cls, images: list[Tensor], reference: list[ReferenceLatents]) -> io.NodeOutput:
        from .comfy_bridge.host.progress import counted
        from .comfy_bridge.paste_back import matched_colors, shots_of_crops

        plan = inputs.only(reference, "reference")
        shots = shots_of_crops(images, plan)
        frames = counted(
            ((shot, number) for shot in range(len(shots)) for number in range(len(shots[shot]))),
            sum(map(len, shots)),
        )
        return io.NodeOutput(matched_colors(shots, plan, frames))
