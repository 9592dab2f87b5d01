"""Guider: one clip of the dub for SamplerCustomAdvanced."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from . import inputs, sockets
from .comfy_bridge.types import ReferenceLatents, SpeechFeatures


class DubGuider(io.ComfyNode):
    """A clip to a GUIDER and the LATENT to sample."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubGuider",
            display_name="Guider (X-Dub)",
            category=sockets.CATEGORY,
            description="One clip of the dub for SamplerCustomAdvanced, with any sampler and sigmas. A clip after the "
            "first goes on from the last frames of the one before. The Sampler (X-Dub) does this for all clips.",
            search_aliases=["cfg guider", "dual cfg"],
            inputs=[
                inputs.model(),
                inputs.reference(),
                inputs.audio_features(),
                io.Int.Input("clip", default=1, min=1, max=100000, tooltip="Which clip: 1 is the first."),
                *inputs.conditioning(),
                io.Image.Input(
                    "frames_before",
                    optional=True,
                    tooltip="The decoded crops of the clip before, from VAE Decode, whose last frames this one goes on "
                    "from. The first clip has none.",
                ),
                inputs.border(),
                inputs.speed(),
            ],
            outputs=[
                io.Guider.Output(display_name="guider", tooltip="For SamplerCustomAdvanced."),
                io.Latent.Output(
                    display_name="latent", tooltip="The empty latent to sample, of the clip's size."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        reference: ReferenceLatents,
        audio_features: SpeechFeatures,
        clip: int,
        border: int,
        guidance: Any = None,
        empty_prompt: Any = None,
        frames_before: Tensor | None = None,
        speed: str = inputs.SPEEDS[0],
    ) -> io.NodeOutput:
        import torch

        from xdub_core.sampling.reuse import reuse_named

        from .comfy_bridge.empty_prompt import context_for
        from .comfy_bridge.guider import ClipGuider, clip_inputs
        from .comfy_bridge.mini import warn_of_real_crops
        from .comfy_bridge.model.own_settings import own_settings

        given = clip_inputs(model, reference, audio_features, clip, frames_before)
        if clip == 1:
            warn_of_real_crops(model, reference)
        guidance = guidance or own_settings(model).sampler.guidance
        context, reuse = context_for(model, empty_prompt), reuse_named(speed)
        guider = ClipGuider(model, guidance, given, context, border, reuse)
        return io.NodeOutput(guider, {"samples": torch.zeros_like(given.reference)})
