"""Dub Video: VIDEO + AUDIO + models to VIDEO, in one node."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .comfy_bridge.types import AudioEncoders, TrackedFace
from .inputs import UNCONNECTED


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
            search_aliases=["lip sync", "lipsync", "dubbing", "talking head"],
            inputs=[
                inputs.footage("video"),
                inputs.speech(),
                inputs.model(),
                io.Vae.Input("vae", tooltip="wan2.2_vae.safetensors, or the built-in model's."),
                inputs.audio_encoders(),
                inputs.seed(),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=200,
                    tooltip="Sampling steps of each clip. 0 takes what suits the model: 30 for the released one.",
                ),
                inputs.length(),
                inputs.quality(),
                inputs.switch(
                    "as_released",
                    False,
                    "Do everything as the release does, to compare. Off is calmer, sharper and drifts less.",
                ),
                inputs.image_fps(),
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
                *inputs.conditioning(),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="At 25 frames a second, with the new speech.")
            ],
        )

    @classmethod
    def validate_inputs(
        cls, length: str | None = None, face_detector: Any = UNCONNECTED, face_track: Any = UNCONNECTED
    ) -> bool | str:
        if UNCONNECTED == face_detector == face_track:
            return "connect a face detector (Load Face Detector, or the built-in model's), or a face track"
        return inputs.check_length(length)

    @classmethod
    def execute(
        cls,
        video: Any,
        audio: dict[str, Any],
        model: Any,
        vae: Any,
        audio_encoders: AudioEncoders,
        seed: int,
        steps: int,
        length: str,
        quality: int,
        as_released: bool,
        image_fps: float,
        face_detector: Any = None,
        face_track: TrackedFace | None = None,
        guidance: Any = None,
        empty_prompt: Any = None,
    ) -> io.NodeOutput:
        from xdub_core.dub.length import Length
        from xdub_core.dub.pipeline import dub
        from xdub_core.dub.scene import Scene, Speaker
        from xdub_core.dub.settings import check_sizes
        from xdub_core.dub.shots import plan_shots

        from .comfy_bridge import dub_video as whole_dub
        from .comfy_bridge.face_crop import CropSettings, check_track
        from .comfy_bridge.host.progress import NodeProgress
        from .comfy_bridge.media.footage import footage
        from .comfy_bridge.media.result import video_of
        from .comfy_bridge.mini import warn_of_real_face

        size = 0 if face_track is None else face_track.crop_size
        choices = whole_dub.DubChoices(seed, steps, guidance, as_released, size)
        settings, progress = whole_dub.dub_settings(model, choices), NodeProgress()
        dubbing = whole_dub.dubbing_model(model, vae, audio_encoders, empty_prompt, progress)
        geometry = check_sizes(settings, dubbing)
        source = footage(video, image_fps)
        cropped = CropSettings(settings.crop_size, as_released=as_released)
        face = face_track or whole_dub.cached_track(
            video, source, face_detector, cropped, progress, image_fps
        )
        check_track(face, source)
        warn_of_real_face(model, source, face, settings.crop_size)
        speech = whole_dub.cached_features(
            audio,
            audio_encoders,
            Length(length),
            len(face.timeline),
            progress,
            check=lambda frames: plan_shots(face.track, frames, geometry),  # raises where there is no face
        )
        speaker = Speaker(face.track, speech.features)
        scene = Scene(source.source, face.timeline, (speaker,), speech.frames)
        return io.NodeOutput(video_of(dub(scene, dubbing, settings, progress), source, audio, quality))
