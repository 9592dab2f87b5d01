"""Which noise levels a training phase sees (paper section 3.3, Eq. 2; appendix C.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from xdub_core.errors import SettingsError

Time = TypeVar("Time", Tensor, float)


@dataclass(frozen=True)
class TimestepDistribution:
    """A distribution of t in (0, 1): t_base logit-normal or uniform, shifted by `alpha` (Eq. 2).

    A shift above 1 prefers noise, below 1 clean latents. With the logit-normal of mean 0 and deviation 1, the peaks
    of t are those of table 7: 0.921 for alpha = 5, 0.684 for 1.5, 0.079 for 0.2. The uniform one is stage I's
    (table 10).
    """

    alpha: float = 1.0
    base: Literal["logit_normal", "uniform"] = "logit_normal"
    mean: float = 0.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        if self.alpha <= 0 or self.deviation <= 0:
            raise SettingsError(
                f"timesteps with a shift alpha of {self.alpha} and a deviation of {self.deviation}: "
                "both must be above 0"
            )
        if self.base not in ("logit_normal", "uniform"):
            raise SettingsError(f"timesteps drawn from {self.base!r}: use logit_normal or uniform")

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` timesteps, float32 [count] on the CPU."""
        if self.base == "uniform":
            base = torch.rand(count, generator=generator)
        else:
            base = torch.sigmoid(self.mean + self.deviation * torch.randn(count, generator=generator))
        return shift_timestep(base, self.alpha)


HIGH_NOISE = TimestepDistribution(alpha=5.0)
"""Full training of the editor: global structure."""
MID_NOISE = TimestepDistribution(alpha=1.5)
"""Tuning of the lip expert."""
LOW_NOISE = TimestepDistribution(alpha=0.2)
"""Tuning of the texture expert."""
UNIFORM = TimestepDistribution(base="uniform")
"""Training of the mask-based generator, and the ablation "w/ uniform t" of table 4."""


def shift_timestep(t: Time, alpha: float) -> Time:
    """Eq. 2: alpha t / (1 + (alpha - 1) t)."""
    return alpha * t / (1 + (alpha - 1) * t)
