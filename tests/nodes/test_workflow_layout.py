"""The example workflows are a pleasure to open: nothing hidden, nothing knotted, all of it readable at once."""

import json
import math
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from canvas import RENDERERS, SHOWN_ONLY, Canvas, group_box, node_box

PACK = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PACK / "workflows").glob("*.json"))
CROSSINGS = {
    "2_built_in_model_every_step": 26,
    "4_released_model_every_step": 22,
    "11_dub_it_every_step": 18,
}
"""Where wires must cross: the order of sockets is given, and one thing goes to many. The others: see FEW."""
FEW = 2
READABLE = 8 / 14
"""The zoom below which the canvas draws no text: of 14 pixels, no less than 8 remain."""
NOTE_LETTER, NOTE_LINE, NOTE_HEADING = 6.4, 19, 44
"""Pixels of a note's text: a letter's width on the average, a line's height, a heading's."""


@pytest.fixture(scope="module", params=WORKFLOWS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module", params=RENDERERS, ids=lambda renderer: renderer.name)
def canvas(request, path):
    return Canvas(json.loads(path.read_text(encoding="utf-8")), request.param)


def test_no_node_lies_on_another(canvas):
    assert canvas.overlaps() == []


def test_no_wire_runs_under_a_node(canvas):
    assert canvas.hidden_wires() == []


def test_wires_hardly_cross(canvas, path):
    assert len(canvas.crossings()) <= CROSSINGS.get(path.stem, FEW)


def test_wires_of_half_the_workflows_do_not_cross_at_all():
    found = [Canvas(json.loads(path.read_text(encoding="utf-8"))) for path in WORKFLOWS]
    assert sum(not canvas.crossings() for canvas in found) >= len(found) / 2


def test_all_is_seen_at_once_and_can_be_read(canvas):
    assert canvas.scale(1900, 1100) > READABLE


def test_every_node_stands_in_one_titled_group(canvas):
    groups = [group_box(group) for group in canvas.workflow["groups"]]
    assert all(re.match(r"\d  \w", group["title"]) for group in canvas.workflow["groups"])
    assert not any(one.overlaps(other) for one, other in combinations(groups, 2))
    for node in canvas.nodes.values():
        inside = [group for group in groups if group.holds(node_box(node))]
        touched = [group for group in groups if group.overlaps(node_box(node))]
        assert len(touched) == len(inside) == (node["type"] not in SHOWN_ONLY), node["type"]
    headings = [group["bounding"][1] + 1.4 * group["font_size"] for group in canvas.workflow["groups"]]
    for group, heading in zip(groups, headings, strict=True):
        assert all(not group.holds(box) or box.top >= heading for box in canvas.boxes.values())


def test_no_wire_crosses_a_note(canvas):
    notes = [node_box(node) for node in canvas.nodes.values() if node["type"] in SHOWN_ONLY]
    assert not any(note.has(wire.points).any() for note in notes for wire in canvas.wires)


def height_of_note(node):
    """About what its text takes: wrapped lines, and headings."""
    letters = (node["size"][0] - 60) / NOTE_LETTER
    lines = [line for line in re.sub(r"[*`]", "", node["widgets_values"][0]).split("\n") if line]
    headings = sum(line.startswith("#") for line in lines)
    wrapped = sum(math.ceil(len(line) / letters) for line in lines if not line.startswith("#"))
    return NOTE_HEADING * headings + NOTE_LINE * wrapped + 30


def test_a_note_fits_its_text_and_is_not_nearly_empty(canvas):
    (note,) = [node for node in canvas.nodes.values() if node["type"] in SHOWN_ONLY]
    assert 0.6 * note["size"][1] < height_of_note(note) <= note["size"][1]


def test_a_note_says_in_three_steps_what_to_do(canvas):
    (note,) = [node for node in canvas.nodes.values() if node["type"] in SHOWN_ONLY]
    assert re.findall(r"^(\d)\. ", note["widgets_values"][0], re.MULTILINE) == ["1", "2", "3"]


def test_a_knot_is_seen():
    """The measure itself: a wire that runs back under its nodes, and two that cross."""

    def node(number, x, y, inputs=0, outputs=0):
        return {
            "id": number, "type": "Any", "pos": [x, y], "size": [200, 100],
            "inputs": [{"name": str(each)} for each in range(inputs)],
            "outputs": [{"name": str(each)} for each in range(outputs)],
        }  # fmt: skip

    nodes = [node(1, 0, 0, outputs=2), node(2, 600, 0, inputs=2), node(3, 300, -40, inputs=1)]
    links = [[1, 1, 0, 2, 1, "*"], [2, 1, 1, 2, 0, "*"]]
    knot = Canvas({"nodes": nodes, "links": links, "groups": [], "extra": {}})
    assert len(knot.crossings()) == 1
    assert {number for _, number in knot.hidden_wires()} == {3}
    assert knot.overlaps() == []
    around = {"reroutes": [{"id": 1, "pos": [450, 200], "linkIds": [1, 2]}]}
    around["linkExtensions"] = [{"id": 1, "parentId": 1}, {"id": 2, "parentId": 1}]
    assert Canvas({"nodes": nodes, "links": links, "groups": [], "extra": around}).hidden_wires() == []
