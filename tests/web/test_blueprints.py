"""The blueprints in the editor: offered to the node library, and a whole dub once they are placed."""

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
