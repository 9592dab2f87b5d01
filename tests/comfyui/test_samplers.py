"""The engine's samplers and schedules equal core's of the same names, by themselves and around the same model."""

from types import SimpleNamespace

import pytest
import torch
from clips import CONTEXT, random_clip, sample
from models import RELEASED_HEADS, load_model, put_model, random_state, relative_error

from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.clip_sampling import SamplerSettings, sample_clip
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.samplers import SAMPLERS
from xdub_core.sampling.schedule import SCHEDULES, flow_sigmas

STEPS_LEFT_OUT = {"uni_pc_bh2": 1e-2}
"""What core's leave of the noise, as a fraction of the latents: it stops at a noise level of 0.001."""
ON_A_TABLE = {"simple": 1 / 1000, "beta": 2 / 1000}
"""Core's levels of these are those of a table of 1000, so that far away before they are shifted."""


def flow(shift):
    """Core's sampling of a flow."""
    from comfy.model_sampling import CONST, ModelSamplingDiscreteFlow

    class Flow(ModelSamplingDiscreteFlow, CONST):
        pass

    sampling = Flow()
    sampling.set_parameters(shift=shift)
    return sampling


class Toy:
    """What core's samplers call: a prediction of the clean latents that depends on them and on the noise level."""

    inner_model = SimpleNamespace(model_sampling=flow(5.0))
    model_patcher = SimpleNamespace(model=None)
    cfg = 1.0

    def __call__(self, x, sigma, **_):
        return self.clean(x, float(sigma.flatten()[0]))

    def clean(self, x, sigma):
        return torch.tanh(0.5 * x.roll(1, -1) + 0.2) * (1 + 0.3 * sigma)

    def velocity(self, x, sigma):
        return (x - self.clean(x, sigma)) / sigma


@pytest.mark.parametrize("last", [0.0, 0.2])
@pytest.mark.parametrize("steps", [2, 3, 4, 5, 12])
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_equal_cores(name, steps, last):
    from comfy.samplers import sampler_object

    noise = torch.randn(1, 4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    sigmas, toy = flow_sigmas(steps), Toy()
    sigmas[-1] = last if last < sigmas[-2] else sigmas[-2] / 2
    ours = SAMPLERS[name](toy.velocity, noise, sigmas.clone(), lambda *_: None)
    core = sampler_object(name)
    core.max_denoise = lambda *_: False
    expected = core.sample(toy, sigmas.clone(), {}, None, noise, torch.zeros_like(noise), disable_pbar=True)
    if last:  # core gives it as what would be noised to the last level again
        ours = ours / (1 - sigmas[-1])
    assert relative_error(ours, expected) < (1e-5 if last else STEPS_LEFT_OUT.get(name, 1e-5))


@pytest.mark.parametrize("shift", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("steps", [2, 4, 7, 30])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_equal_cores(name, steps, shift):
    from comfy.samplers import calculate_sigmas

    ours, expected = SCHEDULES[name](steps, shift), calculate_sigmas(flow(shift), name, steps)
    assert ours.shape == expected.shape
    t, t_expected = (sigmas / (shift - (shift - 1) * sigmas) for sigmas in (ours, expected))  # not shifted
    assert (t - t_expected).abs().max() < ON_A_TABLE.get(name, 1e-6)


@pytest.fixture(scope="module")
def model():
    return load_model(put_model("samplers.safetensors", random_state(RELEASED_HEADS)))


@pytest.mark.parametrize("motion", [False, True])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_engine_and_the_guider_keep_what_is_known_alike(pack, model, name, motion):
    dit = XDubDiT(RELEASED_HEADS).eval()
    dit.load_state_dict(random_state(RELEASED_HEADS))
    clip, guidance = random_clip(motion=motion), Guidance(1.5, 3.0)
    settings = SamplerSettings(5, guidance, seed=1, sampler=name)
    expected = sample_clip(DiTDenoiser(dit, CONTEXT), clip, settings)
    guider = pack("comfy_bridge.guider").ClipGuider(model, guidance, clip, CONTEXT, 1)
    result = sample(guider, settings.sigmas, name, seed=1)
    assert relative_error(result, expected) < STEPS_LEFT_OUT.get(name, 1e-4)
