"""Shifted logit-normal noise levels, as LTX-2 is trained with: the more tokens a picture has, the more noise (A.3).

The paper names the distribution; its numbers are those of the released configuration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.training.timesteps import TimestepDistribution

FEWEST_TOKENS, MOST_TOKENS = 1024, 4096
"""Tokens of the target's picture that `ShiftedLogitNormal.shifts` are of; a line goes through both, and on."""
_LOWEST, _HIGHEST = -2.5758, 3.0902
"""Deviations of a normal distribution at its percentiles 0.5 and 99.9, which become the noise levels 0 and 1."""


@dataclass(frozen=True)
class ShiftedLogitNormal:
    """A distribution of the noise level in `least`..1.

    `shifts`: the logit's mean at 1024 and at 4096 tokens; `deviation`: the logit's. A share `uniform` of the levels is
    drawn evenly, so that none is forgotten.
    """

    shifts: tuple[float, float] = (0.95, 2.05)
    deviation: float = 1.0
    uniform: float = 0.1
    least: float = 1e-3

    def __post_init__(self) -> None:
        if not self.deviation > 0:
            raise SettingsError(f"timesteps with a deviation of {self.deviation}: use more than 0")
        if not 0 <= self.uniform <= 1:
            raise SettingsError(f"a share of {self.uniform} of the timesteps drawn evenly: use 0 to 1")
        if not 0 < self.least < 1:
            raise SettingsError(f"a least timestep of {self.least}: use more than 0 and less than 1")
        if not all(math.isfinite(shift) for shift in self.shifts):
            raise SettingsError(f"timesteps with shifts of {self.shifts}: use two numbers")

    def shift(self, tokens: int) -> float:
        """The logit's mean for so many tokens of the target's picture."""
        few, many = self.shifts
        return few + (many - few) * (tokens - FEWEST_TOKENS) / (MOST_TOKENS - FEWEST_TOKENS)

    def sample(self, tokens: int, generator: torch.Generator) -> Tensor:
        """One noise level, float32 [1] on the CPU."""
        mean = self.shift(tokens)
        drawn = TimestepDistribution(mean=mean, deviation=self.deviation).sample(1, generator)
        low, high = (
            torch.sigmoid(torch.tensor(mean + self.deviation * z, dtype=torch.float64)).item()
            for z in (_LOWEST, _HIGHEST)
        )
        level = (drawn - low) / (high - low)
        level = torch.where(level < self.least, 2 * self.least - level, level).clamp(self.least, 1)
        even = self.least + (1 - self.least) * torch.rand(1, generator=generator)
        return even if torch.rand((), generator=generator).item() < self.uniform else level
