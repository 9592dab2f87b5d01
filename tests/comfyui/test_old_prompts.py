"""Prompts in the API format as they were before choices had inputs of their own, seen by core's own check."""

import asyncio
import json
from pathlib import Path

import pytest

OLD = Path(__file__).resolve().parents[1] / "assets" / "old_workflows" / "api"
EVERY_STEP = "2_built_in_model_every_step"


@pytest.fixture
def problems(pack):
    """What core says of a prompt that comes to the server, by class and message."""
    import execution

    def told(prompt):
        prompt = pack("comfy_bridge.host.old_prompts").renewed({"prompt": prompt})["prompt"]
        _, _, _, errors = asyncio.run(execution.validate_prompt("prompt", prompt, None))
        return {
            (each["class_type"], error["details"]) for each in errors.values() for error in each["errors"]
        }

    return told


def old(name, **changes):
    prompt = json.loads((OLD / f"{name}.json").read_text(encoding="utf-8"))
    for node in prompt.values():
        if node["class_type"] in ("XDubFaceCrop", "XDubDub"):
            node["inputs"] |= changes
    return prompt


@pytest.mark.parametrize("name", ["1_quick_start_built_in_model", EVERY_STEP, "8_two_people"])
def test_they_are_taken_as_they_are(problems, name):
    assert problems(old(name)) == set()


def test_a_box_beside_the_choice_is_taken_and_checked(problems):
    assert problems(old(EVERY_STEP, face="box", box="1,2,30,40")) == set()
    told = problems(old(EVERY_STEP, face="box", box="1,2"))
    assert told and all("four numbers" in details for _, details in told)


def test_a_mask_beside_the_choice_is_taken_and_asked_for(problems):
    prompt = old(EVERY_STEP, face="mask", mask=["mask", 0])
    prompt["mask"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 8, "height": 8}}
    assert problems(prompt) == set()
    assert problems(old(EVERY_STEP, face="mask")) == {("XDubFaceCrop", "mask")}


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (EVERY_STEP, {"face": "boxes"}, "face 'boxes' is not in the list"),
        ("1_quick_start_built_in_model", {"length": "for ever"}, "length 'for ever' is not in the list"),
        ("1_quick_start_built_in_model", {"extend": "stretch"}, "extend 'stretch' is not in the list"),
        ("1_quick_start_built_in_model", {"redo": "two"}, "give numbers of clips"),
        (EVERY_STEP, {"image_fps": 1000.0}, "image_fps is 1000.0"),
    ],
)
def test_what_is_wrong_is_told_as_before(problems, name, change, told):
    found = problems(old(name, **change))
    assert found and all(told in details for _, details in found)
