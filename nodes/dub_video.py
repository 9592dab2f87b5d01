"""Dub Video: VIDEO + AUDIO + models to VIDEO, in one node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .comfy_bridge.types import AudioEncoders, TrackedFace, Voice
from .inputs import EXTENSIONS, LENGTHS, SILENCES, UNCONNECTED

RATES = ["source", "25"]


def _advanced() -> list[io.Input]:
    """What few need to set."""
    return [
        inputs.redo(),
        io.Combo.Input(
            "fps",
            options=RATES,
            default=RATES[0],
            optional=True,
            advanced=True,
            tooltip="Which frames the result has: the source's own at their own times, at whatever rate, each "
            "with the lips of its instant; or the model's, 25 a second, as with as_released.",
        ),
        inputs.quality(optional=True),
        io.Int.Input(
            "retries",
            default=2,
            min=0,
            max=99,
            optional=True,
            advanced=True,
            tooltip="How often a clip that came out broken (noise, a flash, a picture that falls apart) is "
            "sampled again with other noise. 0: clips are not checked.",
        ),
        inputs.switch(
            "resume",
            True,
            "Keep faces, speech features and clips in ComfyUI's user folder (4 GB at most), so that what was "
            "done before Cancel, a crash or a restart is not done again.",
            optional=True,
        ),
        inputs.image_fps(optional=True),
        inputs.switch(
            "as_released",
            False,
            "Do everything as the release does, to compare. Off is calmer, sharper and drifts less.",
            optional=True,
        ),
        inputs.speed(),
    ]


class DubVideo(io.ComfyNode):
    """The whole dub, streaming: no more of the video is ever in memory than a clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubDub",
            display_name="Dub Video (X-Dub)",
            category=sockets.CATEGORY,
            description="Gives the person in a video the lips that speak a recording, and leaves everything else as it "
            "was. Works clip by clip: a long video takes longer, and no more memory.",
            search_aliases=["lip sync", "lipsync", "dubbing", "talking head", "口型同步", "对口型", "配音"],
            is_output_node=True,
            accept_all_inputs=True,  # workflows from before `length` had inputs of its own give them beside it
            inputs=[
                inputs.footage("video"),
                inputs.speech(),
                inputs.model(),
                io.Vae.Input("vae", tooltip="wan2.2_vae.safetensors, or the built-in model's."),
                inputs.audio_encoders(),
                sockets.FaceDetector.Input(
                    "face_detector",
                    optional=True,
                    tooltip="What finds the face. Not needed with a face track.",
                ),
                sockets.FaceTrack.Input(
                    "face_track",
                    optional=True,
                    tooltip="From Face Crop (X-Dub), instead of a face detector: to see and choose the face first. The "
                    "dub is made at its crop_size.",
                ),
                sockets.Voices.Input(
                    "voices",
                    optional=True,
                    tooltip="From Voice (X-Dub): more people who speak, each with a recording. All are heard.",
                ),
                *inputs.conditioning(),
                inputs.person(),
                inputs.length_and_extend(),
                inputs.silence(),
                inputs.seed(optional=True),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=200,
                    optional=True,
                    tooltip="Sampling steps of each clip. 0 takes what suits the model: 30 for the released one.",
                ),
                *_advanced(),
            ],
            has_intermediate_output=True,
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="As many frames a second as the source has, with the new speech.",
                ),
                sockets.Report.Output(
                    display_name="report", tooltip="What became of it, for Report (X-Dub)."
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        length: Any = None,
        person: str | None = None,
        silence: str | None = None,
        extend: str | None = None,
        fps: str | None = None,
        redo: str | None = None,
        speed: str | None = None,
        face_detector: Any = UNCONNECTED,
        face_track: Any = UNCONNECTED,
    ) -> bool | str:
        if UNCONNECTED == face_detector == face_track:
            return "connect a face detector (Load Face Detector, or the built-in model's), or a face track"
        return inputs.first_problem(
            inputs.check_length(inputs.chosen("length", length)[0]),
            inputs.check_person(person),
            inputs.check_choice("silence", silence, SILENCES),
            inputs.check_choice("extend", extend, EXTENSIONS),
            inputs.check_choice("fps", fps, RATES),
            inputs.check_redo(redo),
            inputs.check_choice("speed", speed, inputs.SPEEDS),
        )

    @classmethod
    def execute(
        cls,
        video: Any,
        audio: dict[str, Any],
        model: Any,
        vae: Any,
        audio_encoders: AudioEncoders,
        seed: int = 42,
        steps: int = 0,
        length: Any = LENGTHS[0],
        quality: int = 16,
        as_released: bool = False,
        image_fps: float = 25.0,
        face_detector: Any = None,
        face_track: TrackedFace | None = None,
        guidance: Any = None,
        empty_prompt: Any = None,
        voices: tuple[Voice, ...] = (),
        person: str = "",
        silence: str = SILENCES[0],
        extend: str = EXTENSIONS[0],
        fps: str = RATES[0],
        retries: int = 2,
        resume: bool = True,
        redo: str = "",
        speed: str = inputs.SPEEDS[0],
        **_others: Any,
    ) -> io.NodeOutput:
        from xdub_core.dub.length import FrameRate, Length
        from xdub_core.dub.silence import Silence
        from xdub_core.media.timeline import Extend

        from .comfy_bridge.clips import LiveClips
        from .comfy_bridge.comparison import Comparison, face_facts
        from .comfy_bridge.dub_video import DubChoices, DubModels, dubbed_video
        from .comfy_bridge.host.warnings import show_now
        from .comfy_bridge.media.result import shown, video_of
        from .comfy_bridge.report import dub_report, sync_curves, watched

        length, own = inputs.chosen("length", length)
        speaking = (Voice(audio, person, face_track), *voices)
        models = DubModels(model, vae, audio_encoders, face_detector, empty_prompt)
        choices = DubChoices(
            seed,
            steps,
            guidance,
            as_released,
            crop_size=0 if face_track is None else face_track.crop_size,
            length=Length(length),
            silence=Silence(silence),
            extend=Extend(own.get("extend", extend)),
            rate=FrameRate(fps),
            image_fps=image_fps,
            retries=retries,
            resume=resume,
            redo=inputs.clips_to_redo(redo),
            speed=speed,
        )
        sounds = [voice.audio for voice in speaking]
        with watched() as watcher, LiveClips() as live:
            dubbed = dubbed_video(video, speaking, models, choices, live, watcher)
            both = Comparison(dubbed.source, dubbed.clock, float(dubbed.scene.first_pass))
            made = video_of(dubbed.frames, dubbed.source, sounds, quality, dubbed.clock, both.taking)
            sync = sync_curves(watcher, dubbed)
            report = dub_report(watcher, dubbed, choices, model, Path(made.get_stream_source()), sync)
        show_now("")
        faces = face_facts(dubbed.scene, dubbed.speakers)
        panels = live.output | dubbed.guidance.output | both.output(faces, sync)
        return io.NodeOutput(made, report, ui=shown(made).as_dict() | panels)
