"""Dub It Decode: what LTX-2 sampled, as a video like its source."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import dub_it_inputs, inputs, sockets
from .comfy_bridge.types import TrackedFace


class DubItDecode(io.ComfyNode):
    """LATENT to VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubItDecode",
            display_name="Dub It Decode (X-Dub)",
            category=sockets.DUB_IT,
            description="Makes a video of what was sampled: as many frames as the source has, in its size and at its "
            "exact rate, with sound that lasts as long to the sample. The context is left out.",
            search_aliases=["ltx-2", "just-dub-it", "crop guides", "separate av latent", "create video"],
            inputs=[
                io.Latent.Input(
                    "latent", tooltip="The sampler's, whose latent is that of Dub It Conditioning (X-Dub)."
                ),
                io.Vae.Input("vae", tooltip="The same that Dub It Conditioning has."),
                io.Vae.Input("audio_vae", tooltip="The same that Dub It Conditioning has."),
                inputs.quality(),
                dub_it_inputs.face_track(),
                dub_it_inputs.keep_sound(),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="With its new sound."),
                dub_it_inputs.audio_output(),
            ],
        )

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        vae: Any,
        audio_vae: Any,
        quality: int,
        face_track: TrackedFace | None = None,
        keep_sound: bool = True,
    ) -> io.NodeOutput:
        from .comfy_bridge.dub_it.kept import Keep
        from .comfy_bridge.dub_it.ltx import check_vaes
        from .comfy_bridge.dub_it.result import source_of_dub
        from .comfy_bridge.dub_it.whole import finished

        source = source_of_dub(latent)
        check_vaes(vae, audio_vae)
        made = finished(
            source, [source.whole], [latent], (vae, audio_vae), Keep(face_track, keep_sound), quality
        )
        return io.NodeOutput(*made)
