"""Where a workflow's nodes stand on the canvas: columns in the order of work, in titled groups; wires led around nodes.

`tests/nodes/test_workflow_layout.py` tells what lies under what.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Place = tuple[float, float, float, float]
"""Left, top (below the title), width, height."""

TITLE, FOOTER, GAP = 30, 24, 14
PADDING, HEADING = 20, 44
"""Of a group: around its nodes, and for its title."""

LOAD, PREPARE, SAMPLE, FINISH = "#3f789e", "#8A8", "#a1309b", "#b58b2a"
"""Colours of groups, of those that the canvas offers."""

HEIGHTS = {
    "BasicScheduler": 118,
    "CFGGuider": 106,
    "CLIPTextEncode": 108,
    "CheckpointLoaderSimple": 128,
    "GetVideoComponents": 118,
    "KSamplerSelect": 62,
    "LTXAVTextEncoderLoader": 118,
    "LTXVAudioVAELoader": 88,
    "LTXVScheduler": 158,
    "LatentUpscaleModelLoader": 88,
    "LoadAudio": 162,
    "LoadVideo": 330,
    "LoraLoaderModelOnly": 114,
    "ManualSigmas": 98,
    "PreviewImage": 240,
    "RandomNoise": 86,
    "SamplerCustomAdvanced": 118,
    "SaveVideo": 340,
    "UNETLoader": 86,
    "VAEDecode": 54,
    "VAELoader": 86,
    "XDubAudioFeatures": 154,
    "XDubColorMatch": 78,
    "XDubDub": 782,
    "XDubEmptyPrompt": 86,
    "XDubExpert": 166,
    "XDubFaceCrop": 460,
    "XDubGuidance": 566,
    "XDubIt": 760,
    "XDubItConditioning": 270,
    "XDubItDecode": 174,
    "XDubItIsolation": 118,
    "XDubItPrompt": 330,
    "XDubItSecondStage": 122,
    "XDubLoadAudioEncoders": 138,
    "XDubLoadFaceDetector": 178,
    "XDubLoadFolder": 162,
    "XDubLoadMini": 250,
    "XDubLoadSample": 126,
    "XDubLoadTextEncoder": 110,
    "XDubPasteBack": 234,
    "XDubPeople": 300,
    "XDubReferenceLatents": 198,
    "XDubSampler": 450,
    "XDubStitchClips": 78,
    "XDubVoice": 134,
}
"""What a node of each class takes at least in either renderer, with room for what it shows once it has run."""


@dataclass(frozen=True)
class Column:
    """Nodes below each other, from `top` on, which is where the first one's title ends."""

    left: float
    top: float
    steps: tuple[str, ...]
    width: float = 300
    heights: dict[str, float] = field(default_factory=dict)
    gap: float = GAP


@dataclass(frozen=True)
class Group:
    """Columns with a frame and a title around."""

    title: str
    colour: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Bend:
    """A wire that goes around something: from an output to the inputs named, by the points of `via`.

    Wires of one output whose points begin alike run as one so far.
    """

    step: str
    output: int
    to: tuple[tuple[str, str], ...]
    via: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """Where everything stands; the note by itself."""

    groups: tuple[Group, ...]
    note: Place
    bends: tuple[Bend, ...] = ()


def places(layout: Layout, kinds: dict[str, str]) -> dict[str, Place]:
    """Of every node; `kinds`: their classes."""
    found: dict[str, Place] = {}
    for column in (column for group in layout.groups for column in group.columns):
        top = column.top
        for step in column.steps:
            height = column.heights.get(step, HEIGHTS[kinds[step]])
            found[step] = (column.left, top, column.width, height)
            top += height + FOOTER + column.gap + TITLE
    return found


def frames(layout: Layout, placed: dict[str, Place]) -> list[dict[str, Any]]:
    """The groups as the canvas keeps them."""
    made = []
    for number, group in enumerate(layout.groups, start=1):
        inside = [placed[step] for column in group.columns for step in column.steps]
        left = min(x for x, _, _, _ in inside) - PADDING
        top = min(y for _, y, _, _ in inside) - TITLE - HEADING
        right = max(x + width for x, _, width, _ in inside) + PADDING
        bottom = max(y + height for _, y, _, height in inside) + FOOTER + PADDING - 6
        made.append(
            {
                "id": number,
                "title": group.title,
                "bounding": [left, top, right - left, bottom - top],
                "color": group.colour,
                "font_size": 24,
                "flags": {},
            }
        )
    return made


def reroutes(
    layout: Layout, links: dict[tuple[str, int, str, str], int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The points of bends as the canvas keeps them, and the last one of each link; `links`: their numbers.

    The key of a link is its output's node and index, and its input's node and name.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    last = []
    for bend in layout.bends:
        for step, name in bend.to:
            number, parent = links[bend.step, bend.output, step, name], None
            for count in range(1, len(bend.via) + 1):
                key = (bend.step, bend.output, bend.via[:count])
                reroute = found.setdefault(
                    key,
                    {
                        "id": len(found) + 1,
                        **({} if parent is None else {"parentId": parent}),
                        "pos": list(bend.via[count - 1]),
                        "linkIds": [],
                    },
                )
                reroute["linkIds"].append(number)
                parent = reroute["id"]
            last.append({"id": number, "parentId": parent})
    return list(found.values()), sorted(last, key=lambda each: each["id"])
