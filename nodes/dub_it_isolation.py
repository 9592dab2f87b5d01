"""Dub It Isolation: picture and sound of the context kept from the other stream, in a graph of one's own."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets


class DubItIsolation(io.ComfyNode):
    """MODEL to MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubItIsolation",
            display_name="Dub It Isolation (X-Dub)",
            category=sockets.DUB_IT,
            description="Keeps the reference's sound from the new picture, and its picture from the new sound (Eq. 3 "
            "of JUST-DUB-IT), in the attentions between LTX-2's two streams. Dub It Conditioning (X-Dub) does so by "
            "itself where the layout has it; this is for graphs of your own, and to compare with and without.",
            search_aliases=["ltx-2", "just-dub-it", "cross attention mask", "eq. 3"],
            inputs=[
                io.Model.Input("model", tooltip="LTX-2, of any version, with its LoRAs."),
                io.Boolean.Input(
                    "isolate",
                    default=True,
                    tooltip="Off takes the isolation out again, whichever node has put it in.",
                ),
                io.Boolean.Input(
                    "first_frame",
                    default=True,
                    tooltip="Whether frames that are given at the start, such as the source's first one, are kept from "
                    "the sound, too: on as released, off as the paper is read.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For the guider.")],
        )

    @classmethod
    def execute(cls, model: Any, isolate: bool, first_frame: bool) -> io.NodeOutput:
        from .comfy_bridge.dub_it.isolation import with_isolation, without_isolation
        from .comfy_bridge.dub_it.ltx import ltx_version

        ltx_version(model)
        return io.NodeOutput(with_isolation(model, first_frame) if isolate else without_isolation(model))
