"""Dub It Conditioning: the source's picture and sound as LTX-2's context."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets

LAYOUTS = ["paper release", "paper", "ltx 2.3"]
VOICES = ["source", "free"]

LAYOUT = (
    "How the context stands beside what is made: as the LoRA was trained, which its file does not say. paper release: "
    "the published LoRA for LTX-2 19B. paper: the same without a given first frame, as the paper describes it. ltx "
    "2.3: the DubIt (LipDub) LoRA for LTX-2.3 22B."
)


def layout() -> io.Input:
    """One of `LAYOUTS`."""
    return io.Combo.Input("layout", options=LAYOUTS, default=LAYOUTS[0], tooltip=LAYOUT)


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
                io.Model.Input(
                    "model",
                    tooltip="LTX-2 with the LoRA for dubbing, which Load LoRA (Model) puts on last, so that what its "
                    "file says is checked.",
                ),
                io.Conditioning.Input("positive", tooltip="The prompt of Dub It Prompt (X-Dub), encoded."),
                io.Conditioning.Input("negative", tooltip="The negative prompt, encoded."),
                io.Vae.Input("vae", tooltip="LTX-2's for pictures, from its checkpoint."),
                io.Vae.Input("audio_vae", tooltip="LTX-2's for sound, from Load LTXV Audio VAE."),
                io.Video.Input(
                    "video",
                    tooltip="The video to dub, of 9 frames or more. It is made at once: up to 20 seconds, if the "
                    "memory is enough for it.",
                ),
                layout(),
                io.Int.Input(
                    "size",
                    default=960,
                    min=64,
                    max=4096,
                    step=32,
                    tooltip="Pixels of the longer side at which the video is made; a smaller one is not enlarged. The "
                    "result has the source's size again.",
                ),
                io.Combo.Input(
                    "voice",
                    options=VOICES,
                    default=VOICES[0],
                    tooltip="Who speaks. source: the voice of the video, or of voice_audio. free: whatever voice the "
                    "model finds fitting.",
                ),
                io.Audio.Input(
                    "voice_audio",
                    optional=True,
                    tooltip="A recording of the voice, in place of the video's own sound: for videos without sound, or "
                    "with somebody else's.",
                ),
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
        return inputs.first_problem(
            inputs.check_choice("layout", layout, LAYOUTS), inputs.check_choice("voice", voice, VOICES)
        )

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

        from .comfy_bridge.dub_it.conditioning import clip_of, dub_context
        from .comfy_bridge.dub_it.ltx import check_model, check_vaes

        wanted = layout_named(layout)
        check_model(model, wanted)
        check_vaes(vae, audio_vae)
        clip, free = clip_of(video), voice == "free"
        made = dub_context(
            model, (positive, negative), (vae, audio_vae), clip, wanted, size, voice_audio, free
        )
        return io.NodeOutput(made.model, made.positive, made.negative, made.latent)
