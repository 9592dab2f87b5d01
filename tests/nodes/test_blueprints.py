"""The blueprints for ComfyUI's node library, as files: whole, explained, and as readable inside as the workflows."""

import json
import sys
from itertools import combinations
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from canvas import RENDERERS, Canvas, group_box, node_box

PACK = Path(__file__).resolve().parents[2]
BLUEPRINTS = sorted((PACK / "subgraphs").glob("*.json"))
INSIDE, OUTSIDE = -10, -20


@pytest.fixture(params=BLUEPRINTS, ids=lambda path: path.stem)
def blueprint(request):
    """Its file's name, the node that is placed, and the subgraph that it stands for."""
    whole = json.loads(request.param.read_text(encoding="utf-8"))
    (node,), (subgraph,) = whole["nodes"], whole["definitions"]["subgraphs"]
    return request.param.stem, node, subgraph


def as_workflow(subgraph):
    """The inside as the canvas shows it: the ends of a subgraph are drawn like nodes without a title."""

    def end(number, place, inputs, outputs):
        left, top, width, height = place["bounding"]
        box = {"pos": [left, top + 6], "size": [width - 10, height - 30]}
        return {"id": number, "type": "Note", **box, "inputs": inputs, "outputs": outputs}

    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return {
        "nodes": [
            *subgraph["nodes"],
            end(INSIDE, subgraph["inputNode"], [], subgraph["inputs"]),
            end(OUTSIDE, subgraph["outputNode"], subgraph["outputs"], []),
        ],
        "links": [[link[key] for key in keys] for link in subgraph["links"]],
        "groups": subgraph["groups"],
        "extra": {},
    }


def test_there_is_one_for_one_person_and_one_for_two():
    assert [path.stem for path in BLUEPRINTS] == ["Dub a video", "Dub two people"]


def test_the_library_can_name_and_explain_it(blueprint):
    name, node, subgraph = blueprint
    assert subgraph["name"] == node["title"] == name
    assert subgraph["id"] == node["type"]
    assert subgraph["category"] == "X-Dub" and len(subgraph["description"]) > 100


def test_what_can_be_set_outside_is_a_widget_inside(blueprint):
    _, node, subgraph = blueprint
    assert [each["name"] for each in node["inputs"]] == [each["name"] for each in subgraph["inputs"]]
    inside = {str(each["id"]): each["inputs"] for each in subgraph["nodes"]}
    for number, name in node["properties"]["proxyWidgets"]:
        assert [each for each in inside[number] if each["name"] == name and "widget" in each]


def test_links_inside_fit_their_sockets(blueprint):
    _, _, subgraph = blueprint
    workflow = as_workflow(subgraph)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    ends = {each["id"] for each in workflow["nodes"][-2:]}
    for number, source, output, to, slot, kind in workflow["links"]:
        given, taken = nodes[source]["outputs"][output], nodes[to]["inputs"][slot]
        assert number in (given["linkIds"] if source in ends else given["links"])
        assert number in taken["linkIds"] if to in ends else taken["link"] == number
        assert given["type"] == kind and kind in taken["type"].split(",")


def test_the_inside_is_readable(blueprint):
    _, _, subgraph = blueprint
    for renderer in RENDERERS:
        canvas = Canvas(as_workflow(subgraph), renderer)
        assert canvas.overlaps() == canvas.hidden_wires() == []
        assert len(canvas.crossings()) <= 2
    groups = [group_box(group) for group in subgraph["groups"]]
    assert not any(one.overlaps(other) for one, other in combinations(groups, 2))
    for node in subgraph["nodes"]:
        assert sum(group.holds(node_box(node)) for group in groups) == 1


def test_it_knows_where_the_released_files_are(blueprint):
    _, _, subgraph = blueprint
    known = [each for node in subgraph["nodes"] for each in node["properties"].get("models", [])]
    assert {each["directory"] for each in known} == {
        "diffusion_models",
        "vae",
        "text_encoders",
        "audio_encoders",
    }
    assert all(each["url"].startswith("https://huggingface.co/") for each in known)
