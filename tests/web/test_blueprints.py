"""The blueprints in the editor: offered to the node library, placed by mouse, and a whole dub once they are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BLUEPRINTS = sorted((Path(__file__).resolve().parents[2] / "subgraphs").glob("*.json"))
WIDGETS = {
    "Dub a video": ["", 42, 0],
    "Dub two people": ["left", "right", 42, 0],
}
OFFERED = "async () => Object.values(await (await fetch('/global_subgraphs')).json())"
SHOWN = "() => app.rootGraph.nodes[0].widgets.map((widget) => widget.value)"


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_is_offered_and_asks_for_a_dub(editor, path):
    offered = [each["name"] for each in editor.js(OFFERED) if "x-dub" in each["info"]["node_pack"]]
    assert path.stem in offered
    editor.load(path)
    assert editor.js(SHOWN) == WIDGETS[path.stem]
    whole = json.loads(path.read_text(encoding="utf-8"))
    (subgraph,) = whole["definitions"]["subgraphs"]
    queued = editor.prompt()
    kinds = sorted(node["class_type"] for node in queued.values())
    assert kinds == sorted(node["type"] for node in subgraph["nodes"])
    (dub,) = [node["inputs"] for node in queued.values() if node["class_type"] == "XDubDub"]
    assert {"model", "vae", "audio_encoders", "face_detector", "empty_prompt"} <= dub.keys()
    assert [dub["person"], dub["seed"], dub["steps"]] == [WIDGETS[path.stem][0], 42, 0]


PLACED = "(count) => app.rootGraph.nodes.length === count && app.rootGraph.nodes.at(-1).subgraph"
WITH_BUILT_IN_MODEL = """(id) => {
    const { subgraph } = app.rootGraph.getNodeById(id)
    const find = (kind) => subgraph.nodes.find((node) => node.type === kind)
    for (const kind of ["UNETLoader", "VAELoader", "XDubLoadTextEncoder", "XDubEmptyPrompt",
                        "XDubLoadAudioEncoders", "XDubLoadFaceDetector"]) subgraph.remove(find(kind))
    const [mini, dub] = [LiteGraph.createNode("XDubLoadMini"), find("XDubDub")]
    subgraph.add(mini)
    for (const [output, name] of ["model", "vae", "audio_encoders", "face_detector"].entries())
        mini.connect(output, dub, dub.findInputSlot(name))
    return dub.id
}"""
INSIDE = """([id, dub]) => {
    const { subgraph } = app.rootGraph.getNodeById(id)
    app.canvas.openSubgraph(subgraph, app.rootGraph.getNodeById(id))
    const node = subgraph.getNodeById(dub)
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [200 - node.pos[0], 100 - node.pos[1]]
    app.canvas.setDirty(true, true)
}"""


def place_by_search(editor, name):
    """Double click, type, click on what is found, and on the canvas."""
    page = editor.page
    page.mouse.dblclick(900, 700)
    page.wait_for_function("() => document.activeElement?.tagName === 'INPUT'")
    page.keyboard.type(name)
    page.get_by_role("dialog").get_by_text("Subgraph Blueprints / X-Dub").first.click()
    page.mouse.move(600, 300)
    page.mouse.click(600, 300)


def place_by_library(editor, name):
    """Drag it out of the side bar."""
    page = editor.page
    page.locator(".node-library-tab-button").click()
    for folder in ("Comfy Blueprints", "X-Dub"):
        page.get_by_text(folder, exact=True).first.click()
    box = page.get_by_text(name, exact=True).first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(800, 400, steps=8)
    page.mouse.up()


@pytest.mark.parametrize("name", WIDGETS)
@pytest.mark.parametrize("place", [place_by_search, place_by_library])
def test_a_blueprint_is_placed_by_mouse(editor, place, name):
    place(editor, name)
    editor.page.wait_for_function(PLACED, arg=1)
    assert editor.js("() => app.rootGraph.nodes[0].title") == name
    assert editor.js(SHOWN) == WIDGETS[name]


def test_a_placed_blueprint_runs_and_its_panels_tell_inside(editor):
    """With the built-in model in the place of the files that nobody has here."""
    place_by_library(editor, "Dub a video")
    editor.page.wait_for_function(PLACED, arg=1)
    (outer,) = editor.ids()
    dub = editor.js(WITH_BUILT_IN_MODEL, outer)
    sample, trim, save = editor.add_all(
        [("XDubLoadSample", 100, 600), ("TrimAudioDuration", 500, 600), ("SaveVideo", 1000, 600)]
    )
    editor.set_all({trim: {"duration": 0.5}, outer: {"steps": 1}})
    editor.connect(sample, 0, outer, "video")
    editor.connect(sample, 1, trim, "audio")
    editor.connect(trim, 0, outer, "audio")
    editor.connect(outer, 0, save, "video")
    result = editor.run()
    assert result["outcome"] == "execution_success", result
    editor.js(INSIDE, [outer, dub])
    head = editor.page.locator("[data-panel=clips] .xdub-head")
    head.wait_for()
    assert "1" in head.inner_text()
    editor.page.locator("[data-panel=compare] .xdub-stage canvas").wait_for()
