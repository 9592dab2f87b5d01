"""Audio Features: a recording as the model hears it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets
from .types import AudioEncoders, TrackedFace

LENGTHS = ["audio", "source", "shortest", "longest"]
LENGTH_TIP = (
    "How long the result is: as the audio, as the source video, or the shorter or longer of both. A video that is too "
    "short is played to and fro; speech that is too short is followed by silence."
)


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
                io.Audio.Input("audio", tooltip="The new speech, clean and without music where possible."),
                sockets.AudioEncoders.Input(
                    "audio_encoders", tooltip="What the model was trained to hear with."
                ),
                io.Combo.Input("length", options=LENGTHS, default=LENGTHS[0], tooltip=LENGTH_TIP),
                sockets.FaceTrack.Input(
                    "face_track",
                    optional=True,
                    tooltip="Says how long the source video is; needed for every length but 'audio'.",
                ),
            ],
            outputs=[
                sockets.AudioFeatures.Output(
                    display_name="audio features",
                    tooltip="For Reference Latents (X-Dub) and the X-Dub samplers.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, length: str | None = None, face_track: Any = "not connected") -> bool | str:
        if length in LENGTHS[1:] and face_track == "not connected":
            return f"length {length!r} needs the video's: connect face_track, or set length to 'audio'"
        return (
            True
            if length is None or length in LENGTHS
            else f"length {length!r}: choose one of {', '.join(LENGTHS)}"
        )

    @classmethod
    def execute(
        cls,
        audio: dict[str, Any],
        audio_encoders: AudioEncoders,
        length: str,
        face_track: TrackedFace | None = None,
    ) -> io.NodeOutput:
        from xdub_core.sampling.plan import Length

        from .comfy_bridge.progress import NodeProgress
        from .comfy_bridge.speech import listen

        frames = None if face_track is None else len(face_track.timeline)
        return io.NodeOutput(listen(audio, audio_encoders, Length(length), frames, NodeProgress()))
