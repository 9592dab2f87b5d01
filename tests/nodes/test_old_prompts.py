"""Prompts from before a choice had inputs of its own."""

import pytest


@pytest.fixture
def renewed(pack):
    def run(kind, **inputs):
        request = {"prompt": {"7": {"class_type": kind, "inputs": inputs}}}
        return pack("comfy_bridge.host.old_prompts").renewed(request)["prompt"]["7"]["inputs"]

    return run


@pytest.mark.parametrize(("face", "name"), [("find it", "face_detector"), ("mask", "mask")])
def test_what_a_choice_requires_becomes_its_own(renewed, face, name):
    given = {"face": face, name: ["3", 1], "crop_size": 512}
    assert renewed("XDubFaceCrop", **given) == {"face": face, f"face.{name}": ["3", 1], "crop_size": 512}


@pytest.mark.parametrize(
    "given",
    [
        {"face": "box", "box": "1,2,3,4", "face_detector": ["3", 1]},
        {"face": "find it", "face.face_detector": ["3", 1]},
        {"face": ["2", 0], "mask": ["3", 1]},
        {},
    ],
)
def test_everything_else_stays(renewed, given):
    assert renewed("XDubFaceCrop", **given) == given
    assert renewed("KSampler", **given) == given


@pytest.mark.parametrize("request_", [{}, {"prompt": None}, {"prompt": {"1": None}}, {"prompt": {"1": {}}}])
def test_what_is_no_prompt_is_left_to_core(pack, request_):
    assert pack("comfy_bridge.host.old_prompts").renewed(dict(request_)) == request_
