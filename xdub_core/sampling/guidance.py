"""Dynamic three-way guidance: how far to follow the reference and the audio at each noise level (X-DUB facts §4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from xdub_core.errors import SettingsError

AUDIO_POWER = 1.5
REFERENCE_LEVELS = (1.0, 0.6, 0.3)
"""Fractions of the reference scale at high, middle and low noise..."""
REFERENCE_BLENDS = ((0.85, 0.75), (0.45, 0.35))
"""...and the sigmas between which one turns into the next, along a cosine."""


class Velocities(NamedTuple):
    """The three predictions of a step, each shaped like the latents."""

    none: Tensor
    """Neither reference nor audio (both zero)."""
    reference: Tensor
    """The reference, with zero audio."""
    reference_audio: Tensor
    """The reference and the audio."""


@dataclass(frozen=True)
class Guidance:
    """Strengths of the reference and of the audio, 0 or more, and whether they change with the noise level.

    With `dynamic` off, both stay at their full strength throughout.
    """

    reference_scale: float = 2.5
    audio_scale: float = 10.0
    dynamic: bool = True

    def __post_init__(self) -> None:
        for name, scale in (("reference", self.reference_scale), ("audio", self.audio_scale)):
            if not (math.isfinite(scale) and scale >= 0):
                raise SettingsError(f"a {name} scale of {scale}: use a number of 0 or more")

    def reference(self, sigma: float) -> float:
        """r(t): full strength at high noise, 0.6 of it in the middle, 0.3 at the end."""
        return self.reference_scale * (reference_fraction(sigma) if self.dynamic else 1.0)

    def audio(self, sigma: float) -> float:
        """a(t) = scale * t^1.5: strongest at the start, where the mouth's shape is decided."""
        return self.audio_scale * (sigma**AUDIO_POWER if self.dynamic else 1.0)

    def combine(self, v: Velocities, sigma: float) -> Tensor:
        """v = none + r(t) (ref - none) + a(t) (ref_audio - ref)."""
        r, a = self.reference(sigma), self.audio(sigma)
        return v.none + r * (v.reference - v.none) + a * (v.reference_audio - v.reference)


def reference_fraction(sigma: float) -> float:
    """The fraction of the reference scale at `sigma` in 0..1."""
    level = REFERENCE_LEVELS[0]
    for (start, end), next_level in zip(REFERENCE_BLENDS, REFERENCE_LEVELS[1:], strict=True):
        if sigma >= start:
            return level
        if sigma > end:
            progress = (start - sigma) / (start - end)
            return next_level + (level - next_level) * (1 + math.cos(math.pi * progress)) / 2
        level = next_level
    return level
