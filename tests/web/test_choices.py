"""Choices with inputs of their own, and workflows from before there were any."""

import copy
import json
from pathlib import Path

import pytest

OLD = sorted((Path(__file__).resolve().parents[1] / "assets" / "old_workflows").glob("*.json"))
PLACES = {
    "find it": (["person", "detect_every"], ["face_detector"]),
    "box": (["box"], ["bounding_box"]),
    "mask": ([], ["mask"]),
    "whole frame": ([], []),
}
CHOICES = {"XDubFaceCrop": "face", "XDubDub": "length", "XDubExpert": "noise_range"}


def sockets(editor, node):
    """A node's inputs that are no widgets, and what they are linked to."""
    return editor.js(
        "(id) => app.rootGraph.getNodeById(id).inputs.filter((i) => !i.widget).map((i) => [i.name, i.link])",
        node,
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_way_to_say_where_the_face_is_shows_its_own_inputs(editor, place):
    node = editor.add("XDubFaceCrop")
    editor.set(node, "face", place)
    widgets, own = PLACES[place]
    names = list(editor.values(node))
    assert names == ["face", *(f"face.{name}" for name in widgets), "crop_size", "as_released", "image_fps"]
    assert [name for name, _ in sockets(editor, node)] == ["source", *(f"face.{name}" for name in own)]


def test_a_choice_s_own_values_are_saved_loaded_and_copied(editor):
    node = editor.add("XDubFaceCrop")
    editor.set(node, "face", "box")
    editor.set(node, "face.box", "8,4,56,52")
    editor.set(node, "crop_size", 256)
    (copied,) = editor.copy_paste([node])
    before = editor.values(node)
    assert before["face.box"] == "8,4,56,52"
    assert editor.values(copied) == before
    editor.load(editor.save())
    assert editor.values(node) == editor.values(copied) == before


def test_drawn_guidance_is_saved_and_loaded(editor):
    node = editor.add("XDubGuidance")
    assert list(editor.values(node))[-1] == "curves"
    editor.set(node, "curves", "drawn")
    drawn = {"points": [[0, 0.2], [0.5, 0.9], [1, 1]], "interpolation": "linear"}
    editor.set(node, "curves.audio", drawn)
    editor.set(node, "curves.window", {"min": 0.25, "max": 0.75})
    editor.load(editor.save())
    values = editor.values(node)
    assert values["curves.audio"] == drawn
    assert values["curves.window"] == {"min": 0.25, "max": 0.75}
    asked = editor.prompt()[str(node)]["inputs"]
    assert asked["curves"] == "drawn" and asked["curves.audio"] == drawn


def compared(editor, workflow, prompt):
    """Load an old workflow, and see that what is queued is what its old twin in the API format asks for."""
    editor.load(workflow)
    made = editor.prompt()
    assert {number: node["class_type"] for number, node in made.items()} == {
        number: node["class_type"] for number, node in prompt.items()
    }
    for number, node in prompt.items():
        inputs, kind = made[number]["inputs"], node["class_type"]
        for name, value in node["inputs"].items():
            own = f"{CHOICES.get(kind)}.{name}"
            if name in inputs or own in inputs:
                assert inputs.get(name, inputs.get(own)) == value, (kind, name)
            else:  # what another choice had asked for
                assert not isinstance(value, list) and kind in CHOICES, (kind, name)


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_old_workflows_ask_for_what_they_did(editor, path):
    prompt = json.loads((path.parent / "api" / path.name).read_text(encoding="utf-8"))
    compared(editor, json.loads(path.read_text(encoding="utf-8")), prompt)
    saved = editor.save()
    compared(editor, saved, prompt)


STEPS = next(path for path in OLD if path.name.startswith("2_"))


def old_crop(change):
    """The old step-by-step workflow, UI and API, with its Face Crop changed: widget values by name."""
    workflow, prompt = (
        json.loads((folder / STEPS.name).read_text(encoding="utf-8"))
        for folder in (STEPS.parent, STEPS.parent / "api")
    )
    (crop,) = [node for node in workflow["nodes"] if node["type"] == "XDubFaceCrop"]
    names = ["face", "crop_size", "box", "detect_every", "as_released", "image_fps", "person"]
    crop["widgets_values"] = [change.get(n, v) for n, v in zip(names, crop["widgets_values"], strict=True)]
    prompt[str(crop["id"])]["inputs"] |= {
        name: value for name, value in change.items() if name != "crop_size"
    }
    return workflow, prompt, crop


@pytest.mark.parametrize(
    "change",
    [
        {"face": "box", "box": "1,2,30,40", "as_released": True},
        {"face": "find it", "person": "left", "detect_every": 5, "image_fps": 30.0},
        {"face": "whole frame"},
    ],
    ids=lambda change: change["face"],
)
def test_an_old_face_crop_keeps_what_was_set(editor, change):
    workflow, prompt, _ = old_crop(change)
    compared(editor, workflow, prompt)


def test_an_old_face_crop_keeps_its_mask(editor):
    workflow, prompt, crop = old_crop({"face": "mask"})
    mask = {**copy.deepcopy(crop), "id": 99, "type": "SolidMask", "inputs": [], "widgets_values": [1.0, 8, 8]}
    workflow["nodes"].append({**mask, "outputs": [{"name": "MASK", "type": "MASK", "links": [999]}]})
    (slot,) = [number for number, each in enumerate(crop["inputs"]) if each["name"] == "mask"]
    crop["inputs"][slot]["link"] = 999
    workflow["links"].append([999, 99, 0, crop["id"], slot, "MASK"])
    prompt["99"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 8, "height": 8}}
    prompt[str(crop["id"])]["inputs"]["mask"] = ["99", 0]
    compared(editor, workflow, prompt)


def test_an_old_dub_video_keeps_what_was_set(editor):
    path = next(path for path in OLD if path.name.startswith("1_"))
    workflow = json.loads(path.read_text(encoding="utf-8"))
    (dub,) = [node for node in workflow["nodes"] if node["type"] == "XDubDub"]
    values = [7, "fixed", 3, "longest", 20, True, 30.0, "2", "source", "hold", "25", 1, False]
    names = ["seed", "-", "steps", "length", "quality", "as_released", "image_fps"]
    names += ["person", "silence", "extend", "fps", "retries", "resume"]
    dub["widgets_values"] = values
    editor.load(workflow)
    made = editor.values(dub["id"])
    for name, value in zip(names, values, strict=True):
        if name != "-":
            assert made.get(name, made.get(f"length.{name}")) == value, name
    assert made["redo"] == ""


def test_an_old_expert_keeps_its_range(editor):
    path = next(path for path in OLD if path.name.startswith("6_"))
    workflow = json.loads(path.read_text(encoding="utf-8"))
    expert = next(node for node in workflow["nodes"] if node["type"] == "XDubExpert")
    expert["widgets_values"][2:] = ["custom", 0.9, 0.2]
    editor.load(workflow)
    made = editor.values(expert["id"])
    assert [made[f"noise_range.{name}"] for name in ("from_noise", "to_noise")] == [0.9, 0.2]
