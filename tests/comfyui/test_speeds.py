"""Speeds in ComfyUI: the engine, SamplerCustomAdvanced with our GUIDER, and what samples a whole dub make the same."""

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
