"""Load Sample: something to try the built-in model on."""

from __future__ import annotations

from comfy_api.latest import InputImpl, io

from . import sockets


class LoadSample(io.ComfyNode):
    """The video and the recording that come with the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadSample",
            display_name="Load Sample (X-Dub)",
            category=sockets.CATEGORY,
            description="A short video of a drawn head that says one thing, and a recording of the same voice saying "
            "another: for a first dub with the built-in model.",
            search_aliases=["demo", "example"],
            inputs=[],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The head, saying one thing."),
                io.Audio.Output(display_name="audio", tooltip="The voice, saying another."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from xdub_core.errors import MissingModelError
        from xdub_core.mini.card import BUILT_IN

        from .comfy_bridge.media.sound import read_sound

        folder = BUILT_IN.parent / "sample"
        video, recording = folder / "source.mp4", folder / "recording.wav"
        if not (video.is_file() and recording.is_file()):
            raise MissingModelError(f"the sample is not in {folder}: install the whole pack again")
        return io.NodeOutput(InputImpl.VideoFromFile(str(video)), read_sound(recording))
