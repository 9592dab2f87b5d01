"""Samplers: free functions that follow a predicted velocity through falling noise levels.

In a flow, x = (1 - sigma) clean + sigma noise, the velocity is v = dx/dsigma = noise - clean, so the clean latents are
predicted as x - sigma v, and dx/dsigma = (x - clean) / sigma. The methods that work on the clean prediction solve this
equation exactly but for the prediction's change, in lambda = -log sigma: with h = lambda_next - lambda, and so
exp(-h) = sigma_next / sigma, a prediction that stays as it is gives x_next = exp(-h) x + (1 - exp(-h)) clean.

All are deterministic, and bear the names that ComfyUI's of the same method have. At the last level, 0, they arrive at
the clean prediction itself (ComfyUI's uni_pc_bh2 stops at 0.001 and divides by 0.999).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

Predict = Callable[[Tensor, float], Tensor]
"""(latents, their noise level sigma in 0..1) -> the velocity noise - clean, shaped like the latents."""
AfterStep = Callable[[int, Tensor], None]
"""Called after each step with (steps done, latents). It may raise to stop."""
Sampler = Callable[[Predict, Tensor, Tensor, AfterStep], Tensor]
"""(predict, latents at the first noise level, falling noise levels [steps + 1], after_step) -> latents at the last."""


def sample_euler(predict: Predict, x: Tensor, sigmas: Tensor, after_step: AfterStep) -> Tensor:
    """Euler's method, as the release samples (released model §4)."""
    for step, (sigma, next_sigma) in enumerate(pairwise(sigmas.tolist()), 1):
        x = x + (next_sigma - sigma) * predict(x, sigma)
        after_step(step, x)
    return x


def sample_heun(predict: Predict, x: Tensor, sigmas: Tensor, after_step: AfterStep) -> Tensor:
    """Heun's method (Karras et al. 2022, algorithm 1): the mean of both ends' velocities, so two predictions a step.

    The step to 0, where there is no velocity, is Euler's.
    """
    for step, (sigma, next_sigma) in enumerate(pairwise(sigmas.tolist()), 1):
        velocity = predict(x, sigma)
        if next_sigma > 0:
            velocity = (velocity + predict(x + (next_sigma - sigma) * velocity, next_sigma)) / 2
        x = x + (next_sigma - sigma) * velocity
        after_step(step, x)
    return x


def sample_dpmpp_2m(predict: Predict, x: Tensor, sigmas: Tensor, after_step: AfterStep) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): the clean prediction goes on changing as it did before.

    The first step, and the one to 0, which is infinitely long in lambda, are of first order.
    """
    before, h_before = None, math.inf
    for step, (sigma, next_sigma) in enumerate(pairwise(sigmas.tolist()), 1):
        clean, decay = x - sigma * predict(x, sigma), next_sigma / sigma
        h = -math.log(decay) if decay else math.inf
        change = h / (2 * h_before) * (clean - before) if before is not None and decay else 0
        x = decay * x + (1 - decay) * (clean + change)
        before, h_before = clean, h
        after_step(step, x)
    return x


def sample_uni_pc_bh2(predict: Predict, x: Tensor, sigmas: Tensor, after_step: AfterStep) -> Tensor:
    """UniPC of up to third order with B(h) = exp(h) - 1 (Zhao et al. 2023, algorithms 7 and 8, data prediction).

    Every step is predicted from the clean predictions so far (UniP), and corrected (UniC) by the next one, which the
    next step needs anyway. The last step is of first order and not corrected.
    """
    levels = sigmas.tolist()
    steps = len(levels) - 1
    cleans = [x - levels[0] * predict(x, levels[0])]
    for step in range(1, steps + 1):
        sigma, next_sigma = levels[step - 1 : step + 1]
        order, decay, now = min(3, step, steps + 1 - step), next_sigma / sigma, cleans[-1]
        first_order = decay * x + (1 - decay) * now
        x = first_order
        if step < steps:
            h = -math.log(decay)
            ratios = [math.log(sigma / levels[step - 1 - k]) / h for k in range(1, order)]  # r_k, all below 0
            slopes = [(clean - now) / r for clean, r in zip(cleans[-2::-1], ratios, strict=False)]
            x = first_order + (1 - decay) * _weighted(slopes, _uni_weights(ratios, h))
            following = x - next_sigma * predict(x, next_sigma)
            slopes, ratios = [*slopes, following - now], [*ratios, 1.0]
            x = first_order + (1 - decay) * _weighted(slopes, _uni_weights(ratios, h))
            cleans = [*cleans[-2:], following]
        after_step(step, x)
    return x


def _uni_weights(ratios: Sequence[float], h: float) -> list[float]:
    """UniPC's a_1 .. a_p for B(h) = exp(h) - 1: the solution of sum_m a_m r_m^(n-1) = n! phi_(n+1)(-h) / phi_1(-h).

    A single one is 1/2, whatever h is (Zhao et al. 2023, appendix F).
    """
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    z, order = -h, len(ratios)
    phi = [math.expm1(z) / z]  # phi_1, phi_2, ...
    for n in range(1, order + 1):
        phi.append((phi[-1] - 1 / math.factorial(n)) / z)
    wanted = [math.factorial(n) * phi[n] / phi[0] for n in range(1, order + 1)]
    powers = torch.tensor([[r**n for r in ratios] for n in range(order)], dtype=torch.float64)
    weights: list[float] = torch.linalg.solve(powers, torch.tensor(wanted, dtype=torch.float64)).tolist()
    return weights


def _weighted(slopes: Sequence[Tensor], weights: Sequence[float]) -> Tensor | float:
    return sum((weight * slope for weight, slope in zip(weights, slopes, strict=True)), 0.0)


SAMPLERS: Mapping[str, Sampler] = {
    "euler": sample_euler,
    "heun": sample_heun,
    "dpmpp_2m": sample_dpmpp_2m,
    "uni_pc_bh2": sample_uni_pc_bh2,
}
