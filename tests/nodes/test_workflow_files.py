"""The example workflows and the help pages, as files: whole, and in step with each other."""

import json
import re
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PACK / "workflows").glob("*.json"))
SHOWN_ONLY = {"MarkdownNote"}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def node_ids():
    """The ids of the pack's nodes, as their schemas state them."""
    return {
        name
        for path in (PACK / "nodes").glob("*.py")
        for name in re.findall(r'node_id="(\w+)"', path.read_text())
    }


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_there_is_a_workflow_for_everybody():
    assert len(WORKFLOWS) == 14


def test_every_workflow_has_its_thumbnail_and_its_api_twin(path):
    thumbnail = path.with_suffix(".jpg").read_bytes()
    assert thumbnail.startswith(b"\xff\xd8") and len(thumbnail) < 100_000
    assert (path.parent / "api" / path.name).is_file()


def test_both_formats_have_the_same_nodes(path):
    shown = {str(node["id"]): node["type"] for node in load(path)["nodes"] if node["type"] not in SHOWN_ONLY}
    asked = {number: node["class_type"] for number, node in load(path.parent / "api" / path.name).items()}
    assert shown == asked


def test_both_formats_have_the_same_links(path):
    workflow = load(path)
    names = {node["id"]: [socket["name"] for socket in node["inputs"]] for node in workflow["nodes"]}
    shown = {
        (str(to), names[to][slot], str(source), output)
        for _, source, output, to, slot, _ in workflow["links"]
    }
    asked = {
        (number, name, *value)
        for number, node in load(path.parent / "api" / path.name).items()
        for name, value in node["inputs"].items()
        if isinstance(value, list)
    }
    assert shown == asked


def test_links_fit_their_sockets(path):
    workflow = load(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for number, source, output, to, slot, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] == kind
        assert nodes[to]["inputs"][slot]["link"] == number
        assert kind in nodes[to]["inputs"][slot]["type"].split(",")
    places = [tuple(node["pos"]) for node in workflow["nodes"]]
    assert len(set(places)) == len(places)


def test_every_workflow_tells_what_it_is(path):
    (note,) = [node for node in load(path)["nodes"] if node["type"] == "MarkdownNote"]
    assert note["widgets_values"][0].startswith("## ")


def test_only_nodes_that_exist_are_used(path):
    used = {node["type"] for node in load(path)["nodes"] if node["type"].startswith("XDub")}
    assert used <= node_ids()


def test_every_node_has_a_help_page():
    pages = {page.stem for page in (PACK / "web" / "docs").glob("*.md")}
    assert pages == node_ids()
    for page in (PACK / "web" / "docs").glob("*.md"):
        assert page.read_text(encoding="utf-8").startswith("# ")


def test_every_step_of_comfy_bridge_bears_its_node_s_name():
    nodes, steps = (
        {path.stem for path in (PACK / "nodes" / folder).glob("*.py")} for folder in ("", "comfy_bridge")
    )
    assert steps - nodes == {"types", "clip_sampler", "clips", "comparison", "guidance_plot", "people_shown"}
