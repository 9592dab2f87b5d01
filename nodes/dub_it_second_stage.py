"""Dub It Second Stage: the sampled dub again at twice the size."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets


class DubItSecondStage(io.ComfyNode):
    """LATENT of the first stage to what the second one's sampler takes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubItSecondStage",
            display_name="Dub It Second Stage (X-Dub)",
            category=sockets.DUB_IT,
            description="Doubles the picture of a sampled dub, and gives LTX-2 the source at that size, so that a few "
            "more steps draw what is fine. The sound stays as the first stage has made it.",
            search_aliases=["ltx-2", "just-dub-it", "upscale", "latent upsampler", "refine"],
            inputs=[
                io.Latent.Input(
                    "latent",
                    tooltip="The first sampler's, whose latent is that of Dub It Conditioning (X-Dub).",
                ),
                io.Model.Input(
                    "model",
                    tooltip="Of this stage. For the LoRA of LTX-2 19B: the model with the distilled LoRA, and without "
                    "that for dubbing. For ltx 2.3: the same as in the first.",
                ),
                io.Vae.Input("vae", tooltip="The same that Dub It Conditioning has."),
                io.LatentUpscaleModel.Input("upscale_model", tooltip="LTX-2's spatial upscaler x2."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For the second guider."),
                io.Conditioning.Output(display_name="positive", tooltip="For the second guider."),
                io.Conditioning.Output(display_name="negative", tooltip="For the second guider."),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="For the second sampler, and from there for Dub It Decode (X-Dub).",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        model: Any,
        vae: Any,
        upscale_model: Any,
    ) -> io.NodeOutput:
        from .comfy_bridge.dub_it.result import source_of_dub
        from .comfy_bridge.dub_it.stages import second_stage

        source = source_of_dub(latent)
        clip = source.clip(source.whole)
        made = second_stage(latent, model, vae, clip, upscale_model)
        return io.NodeOutput(made.model, made.positive, made.negative, made.latent)
