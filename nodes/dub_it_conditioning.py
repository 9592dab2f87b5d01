"""Dub It Conditioning: the source's picture and sound as LTX-2's context."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import dub_it_inputs, sockets


class DubItConditioning(io.ComfyNode):
    """VIDEO + prompts + models to what a sampler takes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubItConditioning",
            display_name="Dub It Conditioning (X-Dub)",
            category=sockets.DUB_IT,
            description="Gives LTX-2 a video to dub: its picture and its sound become the context from which the model "
            "speaks the prompt's words with that voice and those looks. The whole picture is kept, without cropping or "
            "stretching it, and sound is exactly as long as the frames.",
            search_aliases=[
                "ltx-2",
                "just-dub-it",
                "lipdub",
                "dubit",
                "dubbing",
                "translate",
                "配音",
                "翻译",
            ],
            inputs=[
                dub_it_inputs.model(),
                io.Conditioning.Input("positive", tooltip="The prompt of Dub It Prompt (X-Dub), encoded."),
                io.Conditioning.Input("negative", tooltip="The negative prompt, encoded."),
                *dub_it_inputs.vaes(),
                io.Video.Input(
                    "video",
                    tooltip="The video to dub, of 9 frames or more. It is made at once: up to 20 seconds, if the "
                    "memory is enough for it.",
                ),
                dub_it_inputs.layout(),
                dub_it_inputs.size(
                    "Pixels of the longer side at which the video is made; a smaller one is not enlarged. The result "
                    "has the source's size again."
                ),
                dub_it_inputs.voice(),
                dub_it_inputs.voice_audio(),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="For the guider: it sees the context as the layout says."
                ),
                io.Conditioning.Output(display_name="positive", tooltip="For the guider."),
                io.Conditioning.Output(display_name="negative", tooltip="For the guider."),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="Picture and sound to sample, with the context in it. For the sampler, and from there for "
                    "Dub It Decode (X-Dub).",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, layout: str | None = None, voice: str | None = None) -> bool | str:
        return dub_it_inputs.check_choices(layout, voice)

    @classmethod
    def execute(
        cls,
        model: Any,
        positive: list[Any],
        negative: list[Any],
        vae: Any,
        audio_vae: Any,
        video: Any,
        layout: str,
        size: int,
        voice: str,
        voice_audio: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        from xdub_core.dub_it.layouts import layout_named

        from .comfy_bridge.dub_it.conditioning import video_context

        wanted, free = layout_named(layout), voice == "free"
        both, vaes = (positive, negative), (vae, audio_vae)
        made = video_context(model, both, vaes, video, wanted, size, voice_audio, free)
        return io.NodeOutput(made.model, made.positive, made.negative, made.latent)
