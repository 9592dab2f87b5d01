"""Dub It Decode: what LTX-2 sampled, as a video like its source."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets


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
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="With its new sound."),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The new sound alone: for Dub Video (X-Dub), for instance, where the source's own picture "
                    "with new lips is wanted.",
                ),
            ],
        )

    @classmethod
    def execute(cls, latent: dict[str, Any], vae: Any, audio_vae: Any, quality: int) -> io.NodeOutput:
        from .comfy_bridge.dub_it.ltx import check_vaes
        from .comfy_bridge.dub_it.result import decoded_frames, decoded_sound, made_of, video_of_dub

        facts = made_of(latent)
        check_vaes(vae, audio_vae)
        sound = decoded_sound(latent, audio_vae)
        frames = decoded_frames(latent, vae)
        return io.NodeOutput(video_of_dub(frames, facts.framing.source, facts.fps, sound, quality), sound)
