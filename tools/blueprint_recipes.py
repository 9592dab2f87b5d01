"""The blueprints: whole dubs for ComfyUI's node library, with the released model's files inside."""

from __future__ import annotations

from blueprint_format import INPUT, Blueprint
from workflow_format import Link, Step
from workflow_layout import LOAD, PREPARE, SAMPLE, Column, Group, Layout
from workflow_steps import dub, released

FILES = ("model", "vae", "encoders", "detector")


def _layout(voice: bool) -> Layout:
    """The files, then Dub Video; what comes in from the left goes above them."""
    last = 1232 if voice else 984
    second = Group("2  The second voice", PREPARE, (Column(400, 984, ("voice",)),))
    return Layout(
        (
            Group("1  Load the model", LOAD, (Column(400, 174, FILES),)),
            *((second,) if voice else ()),
            Group(
                "1  The empty prompt: its text encoder is needed once",
                LOAD,
                (Column(0, last, ("clip",)), Column(400, last, ("prompt",))),
            ),
            Group("3  Dub", SAMPLE, (Column(940, 100, ("dub",), 400),)),
        ),
        note=(0, 0, 0, 0),
    )


BLUEPRINTS = (
    Blueprint(
        "Dub a video",
        "Gives the person in a video the lips that speak a recording, with the released X-Dub model. Connect a "
        "video and a recording of the new speech; open the subgraph to choose other files.",
        (*released(), dub(Link(INPUT, 0), Link(INPUT, 1), Link("model"))),
        _layout(voice=False),
        inputs=(("video", "VIDEO"), ("audio", "AUDIO")),
        widgets=(("dub", "person"), ("dub", "seed"), ("dub", "steps")),
        output=("video", Link("dub")),
    ),
    Blueprint(
        "Dub two people",
        "Gives two people in one video the lips that speak a recording each, with the released X-Dub model. Connect "
        "the video and both recordings, each as long as the video and silent where the other one speaks; say by left, "
        "right or a number who speaks which.",
        (
            *released(),
            Step("voice", "XDubVoice", {"audio": Link(INPUT, 2), "person": "right"}, "The second voice"),
            dub(Link(INPUT, 0), Link(INPUT, 1), Link("model"), voices=Link("voice"), person="left"),
        ),
        _layout(voice=True),
        inputs=(("video", "VIDEO"), ("first_audio", "AUDIO"), ("second_audio", "AUDIO")),
        widgets=(("dub", "person"), ("voice", "person"), ("dub", "seed"), ("dub", "steps")),
        output=("video", Link("dub")),
    ),
)
