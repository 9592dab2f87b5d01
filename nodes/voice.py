"""Voice: one more person who speaks, and what they say."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .comfy_bridge.types import TrackedFace, Voice
from .inputs import UNCONNECTED


class AddVoice(io.ComfyNode):
    """AUDIO + who says it to a list of voices."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubVoice",
            display_name="Voice (X-Dub)",
            category=sockets.CATEGORY,
            description="One more person who speaks in a video, for Dub Video (X-Dub), whose own audio is the first "
            "one's. For still more people connect one Voice to the next. All recordings begin with the video and are "
            "heard together: where somebody else speaks, theirs is silent.",
            search_aliases=["second speaker", "several people", "dialogue"],
            inputs=[
                inputs.speech(),
                inputs.person("2"),
                sockets.FaceTrack.Input(
                    "face_track",
                    optional=True,
                    tooltip="From Face Crop (X-Dub), instead of person: to choose the face by a mask or a box.",
                ),
                sockets.Voices.Input("voices", optional=True, tooltip="Those of others, from another Voice."),
            ],
            outputs=[sockets.Voices.Output(display_name="voices", tooltip="For Dub Video (X-Dub).")],
        )

    @classmethod
    def validate_inputs(cls, person: str | None = None, face_track: Any = UNCONNECTED) -> bool | str:
        return True if face_track != UNCONNECTED else inputs.check_person(person)

    @classmethod
    def execute(
        cls,
        audio: dict[str, Any],
        person: str = "2",
        face_track: TrackedFace | None = None,
        voices: tuple[Voice, ...] = (),
    ) -> io.NodeOutput:
        return io.NodeOutput((*voices, Voice(audio, person, face_track)))
