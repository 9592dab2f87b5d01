"""Dub It: VIDEO + text to VIDEO with sound, by LTX-2, in one node."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import dub_it_inputs, inputs, sockets
from .comfy_bridge.types import TrackedFace

LONGEST = 121


def _what_is_loaded() -> list[io.Input]:
    return [
        dub_it_inputs.model(),
        io.Clip.Input("clip", tooltip="From Load LTXV Audio Text Encoder."),
        *dub_it_inputs.vaes(),
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
        dub_it_inputs.voice_audio(),
        dub_it_inputs.face_track(),
    ]


def _advanced() -> list[io.Input]:
    return [
        dub_it_inputs.keep_sound(),
        dub_it_inputs.scene(advanced=True),
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
                dub_it_inputs.dialogue(),
                dub_it_inputs.language(),
                dub_it_inputs.speaker(),
                *_what_is_loaded(),
                dub_it_inputs.layout(),
                dub_it_inputs.size(
                    "Pixels of the longer side in the first stage, twice as many in the second; a smaller video is not "
                    "enlarged for the first. The result has the source's size."
                ),
                dub_it_inputs.voice(),
                inputs.seed(),
                *_advanced(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="The source's frames in number, size and rate, with the new sound.",
                ),
                dub_it_inputs.audio_output(),
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
        if longest is not None and not (73 <= longest <= 481 and longest % 8 == 1):
            return f"longest is {longest}: choose a multiple of 8 plus 1 from 73 to 481, such as 121"
        return inputs.first_problem(
            dub_it_inputs.check_said(dialogue, language), dub_it_inputs.check_choices(layout, voice)
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
        face_track: TrackedFace | None = None,
        keep_sound: bool = True,
        scene: str = "",
        negative: str = "",
        steps: int = 0,
        guidance: float = 0.0,
        longest: int = LONGEST,
        quality: int = 16,
    ) -> io.NodeOutput:
        from xdub_core.dub_it.layouts import layout_named

        from .comfy_bridge.dub_it.kept import Keep
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
            Keep(face_track, keep_sound),
        )
        return io.NodeOutput(made, sound, ui=shown(made))
