"""The noise schedule: flow-matching sigmas, shifted towards noise (released model §4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from xdub_core.errors import SettingsError

SHIFT = 5.0


def check_schedule(steps: int, shift: float) -> None:
    """Raise SettingsError when `steps` is below 1 or `shift` is not positive."""
    if steps < 1:
        raise SettingsError(f"{steps} sampling steps: use 1 or more (30 is the model's default)")
    if not (math.isfinite(shift) and shift > 0):
        raise SettingsError(f"a sigma shift of {shift}: use a number above 0 (5 is the model's default)")


def flow_sigmas(steps: int, shift: float = SHIFT) -> Tensor:
    """Sigmas from 1 down to 0: [steps + 1], float32, the last one 0.

    Evenly spaced, then shifted: shift * s / (1 + (shift - 1) * s).

    Raises SettingsError when `steps` is below 1 or `shift` is not positive.
    """
    check_schedule(steps, shift)
    linear = torch.linspace(1, 0, steps + 1)
    return shift * linear / (1 + (shift - 1) * linear)
