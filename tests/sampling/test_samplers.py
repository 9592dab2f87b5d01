"""Samplers solve the flow's equation, each as well as its order says."""

import math

import pytest
import torch

from xdub_core.sampling.samplers import SAMPLERS
from xdub_core.sampling.schedule import flow_sigmas

EVERY = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
ORDERS = {"euler": 1, "heun": 2, "dpmpp_2m": 2, "uni_pc_bh2": 2}


def run(sampler, clean, sigmas, x=1.0):
    """Steps as (number, latents), where `clean(x, sigma)` is predicted; every prediction's sigma."""
    seen, levels = [], []

    def predict(x, sigma):
        levels.append(sigma)
        return (x - clean(x, sigma)) / sigma

    x = torch.tensor([x], dtype=torch.float64)
    result = sampler(predict, x, torch.tensor(sigmas), lambda *step: seen.append(step))
    assert torch.equal(result, seen[-1][1])
    return seen, levels


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_halving_the_steps_divides_the_error_as_the_order_says(name, order):
    """Of clean = x sigma: dx/dsigma = x (1 - sigma) / sigma, whose solution from 1 on is x = sigma exp(1 - sigma)."""
    sigma, errors = 0.2, []
    for steps in (40, 80):
        levels = [sigma ** (i / steps) for i in range(steps + 1)]
        result = run(SAMPLERS[name], lambda x, sigma: x * sigma, levels)[0][-1][1].item()
        errors.append(abs(result - sigma * math.exp(1 - sigma)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


@EVERY
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 9])
def test_a_prediction_that_never_changes_is_what_comes_out(sampler, steps):
    seen, _ = run(sampler, lambda *_: torch.tensor([3.0], dtype=torch.float64), flow_sigmas(steps).tolist())
    assert [number for number, _ in seen] == list(range(1, steps + 1))
    assert seen[-1][1].item() == pytest.approx(3.0)


@EVERY
def test_the_last_step_arrives_at_the_last_prediction(sampler):
    predicted = []

    def clean(x, sigma):
        predicted.append(torch.sin(5 * x + sigma))
        return predicted[-1]

    seen, _ = run(sampler, clean, flow_sigmas(5).tolist())
    torch.testing.assert_close(seen[-1][1], predicted[-1])


@pytest.mark.parametrize("name", SAMPLERS)
def test_models_are_called_once_a_step_by_all_but_heun(name):
    sigmas = flow_sigmas(5).tolist()
    _, levels = run(SAMPLERS[name], lambda x, _: x / 2, sigmas)
    once = sigmas[:-1]
    twice = sigmas[:1] + [level for level in sigmas[1:-1] for _ in range(2)]
    assert levels == (twice if name == "heun" else once)


@EVERY
def test_whoever_is_told_of_a_step_can_stop(sampler):
    def stop(step, _):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler(lambda x, _: x, torch.ones(1), flow_sigmas(5), stop)
