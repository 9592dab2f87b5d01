"""The example workflows in the editor: drawn as their files say, nothing hidden, and queued as their API twins say."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PACK / "tests" / "nodes"))

from canvas import RENDERERS, SHOWN_ONLY, Canvas  # noqa: E402

WORKFLOWS = sorted((PACK / "workflows").glob("*.json"))
BESIDE = 26
"""Pixels that a socket may lie beside where `Canvas` has it: rows of widgets differ between the renderers."""

DRAWN = """() => app.graph.nodes.map((node) => {
    const box = document.querySelector(`[data-node-id='${node.id}']`)?.getBoundingClientRect()
    const scale = app.canvas.ds.scale
    return {
        id: Number(node.id), size: [...node.size],
        box: box && [box.width / scale, box.height / scale],
        inputs: node.inputs.map((input, slot) => [input.name, !!input.link, ...node.getInputPos(slot)]),
        outputs: node.outputs.map((output, slot) => [...node.getOutputPos(slot)]),
    }
})"""
CUT_OFF = """() => [...document.querySelectorAll('.comfy-markdown, .widget-markdown')].map((each) => {
    const text = each.querySelector('.tiptap, .ProseMirror, .comfy-markdown-content') ?? each
    return text.scrollHeight - text.clientHeight
})"""


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def opened(editor, request):
    """The file's workflow, opened in the editor."""
    workflow = json.loads(request.param.read_text(encoding="utf-8"))
    editor.load(workflow)
    return request.param, workflow


def test_a_workflow_is_drawn_as_its_file_says(editor, opened):
    """No node takes more than its file gives it, and wires begin and end where the layout's test has them."""
    _, workflow = opened
    canvas = Canvas(workflow, RENDERERS[editor.vue])
    drawn = {node["id"]: node for node in editor.js(DRAWN)}
    for number, node in canvas.nodes.items():
        shown = drawn[number]
        assert all(drawn <= given + 1 for drawn, given in zip(shown["size"], node["size"], strict=True)), (
            node["type"]
        )
        if shown["box"]:
            width, height = shown["box"]
            assert width <= node["size"][0] + 1 and height <= node["size"][1] + 31, node["type"]
    for _, source, output, to, slot, _ in workflow["links"]:
        assert math.dist(drawn[source]["outputs"][output], canvas.output_at(source, output)) < BESIDE
        name = canvas.nodes[to]["inputs"][slot]["name"]
        (place,) = [(x, y) for each, linked, x, y in drawn[to]["inputs"] if each == name and linked]
        assert math.dist(place, canvas.input_at(to, slot)) < BESIDE, (canvas.nodes[to]["type"], name)
    assert all(hidden <= 1 for hidden in editor.js(CUT_OFF))


def test_what_is_queued_is_the_api_twin(editor, opened):
    path, workflow = opened
    twin = json.loads((path.parent / "api" / path.name).read_text(encoding="utf-8"))
    queued = editor.prompt()
    shown = {str(node["id"]) for node in workflow["nodes"] if node["type"] in SHOWN_ONLY}
    assert queued.keys() - shown == twin.keys()
    for number, node in twin.items():
        assert queued[number]["class_type"] == node["class_type"]
        assert queued[number]["inputs"].items() >= node["inputs"].items()
