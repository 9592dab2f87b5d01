"""Core's MultiGPU CFG Split with our guider: each branch on a device of its own, with the same result.

The devices are the CPU under several names: what is shown is the way through core, not speed.
"""

import threading

import comfy.model_management as management
import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_lora, put_model, random_state, relative_error

from xdub_core.experts.expert import ExpertInfo
from xdub_core.sampling.guidance import UNGUIDED, Guidance
from xdub_core.sampling.schedule import flow_sigmas

SIGMAS = flow_sigmas(4)
DEVICES = [torch.device("cpu"), torch.device("cpu", 1), torch.device("cpu", 2)]
TARGETS = ("blocks.0.self_attn.q", "blocks.1.ffn.2")


@pytest.fixture
def devices(monkeypatch):
    monkeypatch.setattr(management, "get_all_torch_devices", lambda exclude_current=False: list(DEVICES))


@pytest.fixture(scope="module")
def file():
    return put_model("several.safetensors", random_state(RELEASED_HEADS))


@pytest.fixture
def model(file):
    return load_model(file)


@pytest.fixture
def guider(pack):
    return pack("comfy_bridge.guider").ClipGuider


@pytest.fixture
def asked(monkeypatch, pack):
    """(thread, how many branches) of every call of a model, by model."""
    calls = {}
    model_class = pack("comfy_bridge.model.xdub_model").XDubModel
    plain = model_class.apply_model

    def apply_model(self, x, *args, **kwargs):
        calls.setdefault(id(self), []).append((threading.get_ident(), len(x)))
        return plain(self, x, *args, **kwargs)

    monkeypatch.setattr(model_class, "apply_model", apply_model)
    return calls


def split(model, gpus):
    import comfy.model_management
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    comfy.model_management.cleanup_models_gc()  # as when anything is loaded: the node fails at a model that is gone
    return MultiGPUCFGSplitNode.execute(model, gpus).result[0]


@pytest.mark.parametrize(("gpus", "shares"), [(3, [1, 1, 1]), (2, [1, 2])])
@pytest.mark.parametrize("motion", [False, True])
def test_branches_are_shared_out_and_the_result_is_the_same(
    devices, model, guider, asked, gpus, shares, motion
):
    clip = random_clip(motion=motion)
    alone = sample(guider(model, Guidance(), clip, CONTEXT), SIGMAS)
    asked.clear()
    together = sample(guider(split(model, gpus), Guidance(), clip, CONTEXT), SIGMAS)
    assert relative_error(together, alone) < 1e-5
    assert len(asked) == gpus
    assert sorted({sum(n for _, n in calls) // 4 for calls in asked.values()}) == sorted(set(shares))
    assert len({thread for calls in asked.values() for thread, _ in calls}) == gpus


def test_a_single_branch_takes_one_device(devices, model, guider, asked):
    sample(guider(split(model, 3), UNGUIDED, random_clip(), CONTEXT), SIGMAS)
    assert [len(calls) for calls in asked.values()] == [4]


def test_experts_act_on_every_device_and_leave_no_trace(devices, model, guider, pack, asked):
    name = put_lora("several.safetensors", model, TARGETS, ExpertInfo("lip", 4, 8.0, 0.0, 1.0), seed=1)
    expert = pack("expert").LoraExpert.execute(model, name, 1.0, "as the file says").result[0]

    def sampled(a_model):
        return sample(guider(a_model, Guidance(), random_clip(), CONTEXT), SIGMAS)

    plain, alone = sampled(model), sampled(expert)
    asked.clear()
    for _ in range(2):
        assert relative_error(sampled(split(expert, 3)), alone) < 1e-5
    assert len(asked) >= 3
    assert relative_error(alone, plain) > 1e-3
    assert relative_error(sampled(split(model, 3)), plain) < 1e-5
    assert relative_error(sampled(model), plain) < 1e-6


def test_patches_of_the_guidance_see_all_branches(devices, model, guider):
    seen = []

    def watch(args):
        seen.append(args["denoised"].shape)
        return args["denoised"]

    patched = split(model, 3)
    patched.set_model_sampler_post_cfg_function(watch)
    sample(guider(patched, Guidance(), random_clip(), CONTEXT), SIGMAS)
    assert len(seen) >= 4
