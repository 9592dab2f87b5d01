"""Load Sample: something to try the built-in model on."""

from __future__ import annotations

from comfy_api.latest import InputImpl, io

from . import inputs, sockets

SAMPLES = [ONE, TWO] = ["one person", "two people"]
FILES = {
    ONE: ("source.mp4", "recording.wav"),
    TWO: ("two_people.mp4", "two_people_1.wav", "two_people_2.wav"),
}


class LoadSample(io.ComfyNode):
    """The videos and the recordings that come with the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadSample",
            display_name="Load Sample (X-Dub)",
            category=sockets.CATEGORY,
            description="A short video of a drawn head that says one thing, and a recording of the same voice saying "
            "another: for a first dub with the built-in model. Or of two heads, with a recording for each.",
            search_aliases=["demo", "example"],
            inputs=[
                io.Combo.Input(
                    "sample",
                    options=SAMPLES,
                    default=ONE,
                    optional=True,
                    tooltip="One drawn head, or two who speak in turn.",
                )
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The head, saying one thing; or both heads."),
                io.Audio.Output(
                    display_name="audio", tooltip="The voice, saying another; of two people, the left one's."
                ),
                io.Audio.Output(display_name="second audio", tooltip="Of two people, the right one's voice."),
            ],
        )

    @classmethod
    def validate_inputs(cls, sample: str | None = None) -> bool | str:
        return inputs.check_choice("sample", sample, SAMPLES)

    @classmethod
    def execute(cls, sample: str = ONE) -> io.NodeOutput:
        from comfy_execution.graph_utils import ExecutionBlocker

        from xdub_core.errors import MissingModelError
        from xdub_core.mini.card import BUILT_IN

        from .comfy_bridge.media.sound import read_sound

        folder = BUILT_IN.parent / "sample"
        video, *recordings = (folder / name for name in FILES[sample])
        if not all(path.is_file() for path in (video, *recordings)):
            raise MissingModelError(f"the sample is not in {folder}: install the whole pack again")
        sounds = [read_sound(recording) for recording in recordings]
        if sample == ONE:
            sounds.append(
                ExecutionBlocker("the sample of one person has no second audio: set it to two people")
            )
        return io.NodeOutput(InputImpl.VideoFromFile(str(video)), *sounds)
