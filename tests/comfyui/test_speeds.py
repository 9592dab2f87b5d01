"""Speeds in ComfyUI: the engine, SamplerCustomAdvanced with our GUIDER, and what samples a whole dub make the same."""

import asyncio
import json
from pathlib import Path

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_model, random_state, relative_error

from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.clip_sampling import SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import SPEEDS, predictions_planned
from xdub_core.sampling.samplers import SAMPLERS

STEPS = 12
WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
UNI_PC_STOPS = 3e-3
"""Core's uni_pc_bh2 stops at noise level 0.001."""


@pytest.fixture(scope="module")
def model():
    return load_model(put_model("speeds.safetensors", random_state(RELEASED_HEADS)))


@pytest.fixture(scope="module")
def denoiser():
    dit = XDubDiT(RELEASED_HEADS).eval()
    dit.load_state_dict(random_state(RELEASED_HEADS))
    return DiTDenoiser(dit, CONTEXT)


def settings(speed, **others):
    return SamplerSettings(**{"steps": STEPS, "seed": 1, **others}, reuse=SPEEDS[speed])


@pytest.fixture(scope="module")
def guided(pack):
    def run(model, clip, chosen, told=None):
        guider = pack("comfy_bridge.guider").ClipGuider
        made = guider(model, chosen.guidance, clip, CONTEXT, 1, chosen.reuse, told)
        return sample(made, chosen.sigmas, chosen.sampler, seed=1)

    return run


@pytest.mark.parametrize("motion", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("speed", ["balanced", "fast"])
def test_the_engine_and_the_guider_agree(model, denoiser, guided, speed, sampler, motion):
    clip, chosen = random_clip(motion=motion), settings(speed, sampler=sampler)
    in_engine, in_core = [], []
    expected = sample_clip(denoiser, clip, chosen, on_predicted=lambda *step: in_engine.append(step))
    result = guided(model, clip, chosen, lambda *step: in_core.append(step))
    assert relative_error(result, expected) < (UNI_PC_STOPS if sampler == "uni_pc_bh2" else 1e-4)
    assert [made for _, made in in_core][: len(in_engine)] == [made for _, made in in_engine]
    assert sum(made for _, made in in_core) < 3 * len(in_core)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_whole_dub_samples_as_the_guider_does(pack, model, guided, speed):
    clip, chosen = random_clip(motion=True), settings(speed)
    whole = pack("comfy_bridge.clip_sampler").ComfyClipSampler(model, CONTEXT, chosen)
    assert torch.equal(whole(0, clip), guided(model, clip, chosen).cpu().float())


def test_nothing_is_left_of_one_clip_in_the_next(model, guided):
    chosen = settings("fast")
    first = guided(model, random_clip(), chosen)
    guided(model, random_clip(frames=6, size=4, motion=True, seed=2), chosen)
    assert torch.equal(guided(model, random_clip(), chosen), first)


def test_one_guider_begins_anew_every_time(pack, model):
    chosen = settings("fast")
    guider = pack("comfy_bridge.guider").ClipGuider(
        model, chosen.guidance, random_clip(), CONTEXT, 1, chosen.reuse
    )
    first = sample(guider, chosen.sigmas)
    assert torch.equal(sample(guider, chosen.sigmas), first)


def test_a_sampler_that_adds_noise_of_its_own_has_every_prediction_made(pack, model):
    made, chosen = {}, settings("fast")
    for sampler in ("euler", "euler_ancestral"):
        told = made.setdefault(sampler, [])
        guider = pack("comfy_bridge.guider").ClipGuider(
            model,
            Guidance(),
            random_clip(),
            CONTEXT,
            1,
            chosen.reuse,
            lambda *step, told=told: told.append(step[1]),
        )
        sample(guider, chosen.sigmas, sampler)
    assert tuple(made["euler"]) == predictions_planned(Guidance(), chosen.reuse, chosen.sigmas[:-1].tolist())
    assert sum(made["euler_ancestral"]) >= 3 * STEPS - 2


@pytest.mark.parametrize("name", SPEEDS)
def test_the_speed_node_writes_what_every_speed_input_takes(pack, name):
    from xdub_core.sampling.reuse import reuse_named

    chosen = SPEEDS[name]
    (written,) = pack("speed").DubSpeed.execute(chosen.whole, chosen.audio, chosen.reference).args
    assert reuse_named(written) == chosen


def test_the_speed_node_shows_how_many_predictions_are_left(pack, monkeypatch):
    shown = []
    monkeypatch.setattr(pack("comfy_bridge.host.warnings"), "show_text", shown.append)
    for limits in ((0.0, 0.0, 0.0), (0.078, 0.06, 0.07), (0.0, 0.0, 0.1)):
        pack("speed").DubSpeed.execute(*limits)
    assert [line.split(" predictions")[0] for line in shown] == ["90 of 90", "24 of 90", "65 of 90"]


@pytest.mark.parametrize(
    ("workflow", "node"),
    [("1_quick_start_built_in_model", "XDubDub"), ("2_built_in_model_every_step", "XDubSampler")],
)
def test_core_lets_the_speed_node_be_wired_to_every_speed_input(workflow, node):
    prompt = json.loads((WORKFLOWS / "api" / f"{workflow}.json").read_text(encoding="utf-8"))
    limits = {"whole": 0.1, "audio": 0.1, "reference": 0.1}
    prompt["speed"] = {"class_type": "XDubSpeed", "inputs": limits}
    (asks,) = (each for each in prompt.values() if each["class_type"] == node)
    asks["inputs"]["speed"] = ["speed", 0]
    assert told_by_core(prompt) == {}
    limits["audio"] = 1.5
    assert told_by_core(prompt) == {"XDubSpeed": ["value_bigger_than_max"]}


def told_by_core(prompt):
    """What core's own check says of a prompt, by class."""
    import execution

    _, _, _, errors = asyncio.run(execution.validate_prompt("prompt", prompt, None))
    found = {each["class_type"]: [error["type"] for error in each["errors"]] for each in errors.values()}
    return {name: told for name, told in found.items() if told}
