"""Audio Features: a recording as the features that the model takes."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .comfy_bridge.types import AudioEncoders, TrackedFace
from .inputs import LENGTHS, SILENCES, UNCONNECTED


class AudioFeatures(io.ComfyNode):
    """AUDIO and encoders to features."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubAudioFeatures",
            display_name="Audio Features (X-Dub)",
            category=sockets.CATEGORY,
            description="Listens to the new speech, which the lips will follow, and settles how long the dub is. An "
            "hour of speech takes no more memory than a minute: features are kept in ComfyUI's temporary folder.",
            search_aliases=["lip sync", "speech"],
            inputs=[
                inputs.speech(),
                inputs.audio_encoders(),
                inputs.length(),
                sockets.FaceTrack.Input(
                    "face_track",
                    optional=True,
                    tooltip="Says how long the source video is; needed for every length but 'audio'.",
                ),
                inputs.silence(),
            ],
            outputs=[
                sockets.AudioFeatures.Output(
                    display_name="audio features",
                    tooltip="For Reference Latents (X-Dub) and the X-Dub samplers.",
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls, length: str | None = None, silence: str | None = None, face_track: Any = UNCONNECTED
    ) -> bool | str:
        if length in LENGTHS[1:] and face_track == UNCONNECTED:
            return f"length {length!r} needs the video's: connect face_track, or set length to 'audio'"
        return inputs.first_problem(
            inputs.check_length(length), inputs.check_choice("silence", silence, SILENCES)
        )

    @classmethod
    def execute(
        cls,
        audio: dict[str, Any],
        audio_encoders: AudioEncoders,
        length: str,
        face_track: TrackedFace | None = None,
        silence: str = SILENCES[0],
    ) -> io.NodeOutput:
        from xdub_core.dub.length import Length
        from xdub_core.dub.silence import Silence

        from .comfy_bridge.audio_features import speech_features
        from .comfy_bridge.host.kept import kept_work
        from .comfy_bridge.host.progress import NodeProgress
        from .comfy_bridge.host.warnings import show_now

        frames = None if face_track is None else len(face_track.timeline)
        # As Dub Video's: a face as the release tracks it is dubbed as the release does it.
        pauses = Silence.MODEL if face_track is not None and face_track.as_released else Silence(silence)
        (speech,) = speech_features(
            [audio],
            audio_encoders,
            Length(length),
            frames,
            NodeProgress(),
            kept=kept_work(True),
            silence=pauses,
        )
        show_now("")
        return io.NodeOutput(speech)
