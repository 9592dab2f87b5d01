"""Workflows that were saved, by this version and by earlier ones, open with the values that they were saved with."""

import json
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
NOW = sorted((PACK / "workflows").glob("*.json"))
OLD = sorted((PACK / "tests" / "assets" / "old_workflows").glob("*.json"))
ASKED = {
    path: json.loads((path.parent / "api" / path.name).read_text(encoding="utf-8")) for path in NOW + OLD
}
MISSING = {
    "unet_name",
    "vae_name",
    "clip_name",
    "whisper",
    "wav2vec2",
    "person_detector",
    "pose",
    "expert",
    "file",
}
"""Lists of files, none of which is there in the tests: what is shown for a missing one is the editor's matter."""


@pytest.mark.parametrize("path", NOW + OLD, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_saved_workflow_opens_with_its_values(editor, path):
    """What it would queue has every value of its API form, which stands beside it."""
    editor.load(path)
    queued = editor.prompt()
    for number, node in ASKED[path].items():
        assert queued[number]["class_type"] == node["class_type"]
        for name, value in node["inputs"].items():
            if name not in MISSING:
                assert same(queued[number]["inputs"].get(name), value), f"{node['class_type']}.{name}"


def same(found, asked):
    """Links are [node, output]; the editor has nodes' numbers as texts."""
    return (
        [str(part) for part in found] == [str(part) for part in asked]
        if isinstance(asked, list)
        else found == asked
    )
