"""Stitch Clips: latents of clips to one seamless run."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .comfy_bridge.types import ReferenceLatents


class StitchClips(io.ComfyNode):
    """Latents to latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubStitchClips",
            display_name="Stitch Clips (X-Dub)",
            category=sockets.CATEGORY,
            description="Joins the clips of each shot into one, without a seam, for VAE Decode. Where the "
            "face is away for a while there are several shots, which are decoded one after the other.",
            is_input_list=True,
            inputs=[
                io.Latent.Input("latents", tooltip="From Sampler (X-Dub)."),
                inputs.reference("The same that the sampler has."),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latents",
                    is_output_list=True,
                    tooltip="For VAE Decode: one for each shot.",
                )
            ],
        )

    @classmethod
    def execute(cls, latents: list[dict[str, Any]], reference: list[ReferenceLatents]) -> io.NodeOutput:
        from xdub_core.dub.stitch import stitch

        plan = inputs.only(reference, "reference")
        _check_shots(latents, plan)
        motion = plan.geometry.motion_latents
        stitched = [{"samples": stitch(shot["samples"].split(1), motion)} for shot in latents]
        return io.NodeOutput(stitched)


def _check_shots(latents: list[dict[str, Any]], plan: ReferenceLatents) -> None:
    from xdub_core.errors import SettingsError

    given = [len(shot["samples"]) for shot in latents]
    planned = [len(shot.clips) for shot in plan.shots]
    if given != planned:
        raise SettingsError(
            f"the latents hold clips of {given}, but the reference plans {planned}: connect the output of the X-Dub "
            "Sampler that has the same reference"
        )
