"""Noise schedules: free functions of the number of steps and of a shift towards noise.

A schedule is sigmas [steps + 1], float32, that fall from 1 to 0. They bear the names that ComfyUI's of the same law
have, and equal those of a model with the same shift; `simple` and `beta`, which are continuous here, to within its
table of 1000 levels. Its others are `simple` on other points of that table (normal, sgm_uniform, ddim_uniform), or know
no shift (linear_quadratic). PyTorch has schedules of learning rates alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.model.config import TIMESTEPS

SHIFT = 5.0

Schedule = Callable[[int, float], Tensor]
"""(steps, shift) -> sigmas."""


MOST_STEPS = 10_000
"""As ComfyUI has it."""


def check_schedule(steps: int, shift: float) -> None:
    """Raise SettingsError when `steps` is not in 1..`MOST_STEPS` or `shift` is not positive."""
    if not 1 <= steps <= MOST_STEPS:
        raise SettingsError(f"{steps} sampling steps: use 1 to {MOST_STEPS} (30 is the model's default)")
    if not (math.isfinite(shift) and shift > 0):
        raise SettingsError(f"a sigma shift of {shift}: use a number above 0 (5 is the model's default)")


def flow_sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """The released model's schedule, "simple": evenly spaced, then shifted (released model §4).

    Raises SettingsError when `steps` is below 1 or `shift` is not positive.
    """
    check_schedule(steps, shift)
    return shifted(torch.linspace(1, 0, steps + 1), shift)


def shifted(t: Tensor, shift: float) -> Tensor:
    """Levels in 0..1 moved towards noise: shift * t / (1 + (shift - 1) * t) (Esser et al. 2024, equation 23).

    1 stays 1, which the formula misses for one shift in thirty by a rounding, and the first step is then out of range.
    """
    return torch.where(t == 1, t, shift * t / (1 + (shift - 1) * t))


def beta_sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """Dense at both ends: quantiles of the beta distribution (0.6, 0.6), then shifted (Lee et al. 2024)."""
    check_schedule(steps, shift)
    from scipy.special import betaincinv  # where it is used: every start imports this file

    quantiles = betaincinv(0.6, 0.6, torch.linspace(1, 0, steps + 1, dtype=torch.float64).numpy())
    return shifted(torch.from_numpy(quantiles).float(), shift)


def karras_sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """Even in sigma^(1/7) down to the lowest level, then 0 (Karras et al. 2022, equation 5)."""
    return _even(steps, shift, lambda sigma: sigma ** (1 / 7), lambda even: even**7)


def exponential_sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """Even in log sigma down to the lowest level, then 0."""
    return _even(steps, shift, torch.log, torch.exp)


def kl_optimal_sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """Even in arctan sigma down to the lowest level, then 0 (Sabour et al. 2024, equation 15)."""
    return _even(steps, shift, torch.arctan, torch.tan)


def _even(
    steps: int, shift: float, law: Callable[[Tensor], Tensor], inverse: Callable[[Tensor], Tensor]
) -> Tensor:
    """Levels at which `law` is evenly spaced, from 1 to the lowest that the model was trained at; then 0."""
    check_schedule(steps, shift)
    highest, lowest = law(shifted(torch.tensor([1, 1 / TIMESTEPS]), shift))
    levels = inverse(highest + torch.linspace(0, 1, steps) * (lowest - highest))
    return torch.cat([torch.ones(1), levels[1:], torch.zeros(1)])  # the first is 1, but for roundings


SCHEDULES: Mapping[str, Schedule] = {
    "simple": flow_sigmas,
    "beta": beta_sigmas,
    "karras": karras_sigmas,
    "exponential": exponential_sigmas,
    "kl_optimal": kl_optimal_sigmas,
}
