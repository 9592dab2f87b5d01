"""Dub It: VIDEO + text to VIDEO with sound, by LTX-2, in one node."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .dub_it_conditioning import LAYOUTS, VOICES, layout

LONGEST = 121


def _what_is_said() -> list[io.Input]:
    return [
        io.String.Input(
            "dialogue",
            default="",
            multiline=True,
            tooltip="The new words, in the new language and its own script. About as long to speak as the old ones.",
        ),
        io.String.Input(
            "language",
            default="Spanish",
            tooltip="The English name of the dialogue's language, maybe with an accent. The paper's data has English, "
            "Spanish, French, German, Italian, Russian and Greek; others are not tried.",
        ),
        io.String.Input(
            "speaker",
            default="The person",
            tooltip="Who speaks, in a few words: The old man with the hat.",
        ),
    ]


def _what_is_loaded() -> list[io.Input]:
    return [
        io.Model.Input(
            "model",
            tooltip="LTX-2 with the LoRA for dubbing, which Load LoRA (Model) puts on last, so that what its file says "
            "is checked.",
        ),
        io.Clip.Input("clip", tooltip="From Load LTXV Audio Text Encoder."),
        io.Vae.Input("vae", tooltip="LTX-2's for pictures, from its checkpoint."),
        io.Vae.Input("audio_vae", tooltip="LTX-2's for sound, from Load LTXV Audio VAE."),
        io.LatentUpscaleModel.Input(
            "upscale_model",
            optional=True,
            tooltip="LTX-2's spatial upscaler x2, for a second stage at twice the size.",
        ),
        io.Model.Input(
            "refiner",
            optional=True,
            tooltip="The model of the second stage: LTX-2 with the distilled LoRA, and without that for dubbing. The "
            "layout ltx 2.3 goes on with its own model where there is none.",
        ),
        io.Audio.Input(
            "voice_audio",
            optional=True,
            tooltip="A recording of the voice, in place of the video's own sound: for videos without sound, or with "
            "somebody else's.",
        ),
    ]


def _advanced() -> list[io.Input]:
    return [
        io.String.Input(
            "scene",
            default="",
            optional=True,
            multiline=True,
            advanced=True,
            tooltip="What is seen, in English. Only the layout ltx 2.3 has it in its prompt.",
        ),
        io.String.Input(
            "negative",
            default="",
            optional=True,
            multiline=True,
            advanced=True,
            tooltip="What is not wanted, in English: blurry, distorted, robotic voice.",
        ),
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=200,
            optional=True,
            advanced=True,
            tooltip="Sampling steps of the first stage. 0 takes those that the layout's LoRA was published with: 30, "
            "or for ltx 2.3 the 8 of the distilled model.",
        ),
        io.Float.Input(
            "guidance",
            default=0.0,
            min=0.0,
            max=30.0,
            step=0.1,
            optional=True,
            advanced=True,
            tooltip="How strictly the prompt is followed in the first stage (CFG). 0 takes what the layout's LoRA was "
            "published with: 3, or for ltx 2.3 none (1).",
        ),
        io.Int.Input(
            "longest",
            default=LONGEST,
            min=73,
            max=481,
            step=8,
            optional=True,
            advanced=True,
            tooltip="Frames that are made at once at most, a multiple of 8 plus 1. Longer videos are made in segments, "
            "which are joined in pauses of the speech. The LoRAs were trained with 121.",
        ),
        inputs.quality(optional=True),
    ]


class DubIt(io.ComfyNode):
    """The whole dub: segments, prompts, both stages, joins."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubIt",
            display_name="Dub It (X-Dub)",
            category=sockets.DUB_IT,
            description="Makes a video anew in which the person speaks other words, with their own voice and lips to "
            "match, by LTX-2 and a LoRA for dubbing (JUST-DUB-IT). A long video is made in segments.",
            search_aliases=[
                "ltx-2",
                "just-dub-it",
                "lipdub",
                "dubbing",
                "translate",
                "voice cloning",
                "配音",
                "翻译",
            ],
            is_output_node=True,
            inputs=[
                io.Video.Input(
                    "video",
                    tooltip="The video to dub, of 9 frames or more. One whose frame rate varies is taken to have its "
                    "average rate.",
                ),
                *_what_is_said(),
                *_what_is_loaded(),
                layout(),
                io.Int.Input(
                    "size",
                    default=960,
                    min=64,
                    max=4096,
                    step=32,
                    tooltip="Pixels of the longer side in the first stage, twice as many in the second; a smaller "
                    "video is not enlarged for the first. The result has the source's size.",
                ),
                io.Combo.Input(
                    "voice",
                    options=VOICES,
                    default=VOICES[0],
                    tooltip="Who speaks. source: the voice of the video, or of voice_audio. free: whatever voice the "
                    "model finds fitting.",
                ),
                inputs.seed(),
                *_advanced(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="The source's frames in number, size and rate, with the new sound.",
                ),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The new sound alone: for Dub Video (X-Dub), for instance, where the source's own picture "
                    "with new lips is wanted.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        dialogue: str | None = None,
        language: str | None = None,
        layout: str | None = None,
        voice: str | None = None,
        longest: int | None = None,
    ) -> bool | str:
        if dialogue is not None and not dialogue.strip():
            return "dialogue is empty: write the new words, in the new language"
        if language is not None and not language.strip():
            return "language is empty: name that of the dialogue, such as Spanish"
        if longest is not None and not (73 <= longest <= 481 and longest % 8 == 1):
            return f"longest is {longest}: choose a multiple of 8 plus 1 from 73 to 481, such as 121"
        return inputs.first_problem(
            inputs.check_choice("layout", layout, LAYOUTS), inputs.check_choice("voice", voice, VOICES)
        )

    @classmethod
    def execute(
        cls,
        video: Any,
        dialogue: str,
        language: str,
        speaker: str,
        model: Any,
        clip: Any,
        vae: Any,
        audio_vae: Any,
        layout: str,
        size: int,
        voice: str,
        seed: int,
        upscale_model: Any = None,
        refiner: Any = None,
        voice_audio: dict[str, Any] | None = None,
        scene: str = "",
        negative: str = "",
        steps: int = 0,
        guidance: float = 0.0,
        longest: int = LONGEST,
        quality: int = 16,
    ) -> io.NodeOutput:
        from xdub_core.dub_it.layouts import layout_named

        from .comfy_bridge.dub_it.stages import Choices, LtxModels
        from .comfy_bridge.dub_it.whole import Line, dubbed_by_ltx
        from .comfy_bridge.media.result import shown

        made, sound = dubbed_by_ltx(
            video,
            Line(dialogue, language, speaker, scene, negative),
            LtxModels(model, clip, vae, audio_vae, upscale_model, refiner),
            Choices(layout_named(layout), size, seed, steps, guidance, voice == "free"),
            longest,
            quality,
            voice_audio,
        )
        return io.NodeOutput(made, sound, ui=shown(made))
