"""Dynamic three-way guidance: how far to follow the reference and the audio at each noise level (released model §4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from xdub_core.errors import SettingsError

AUDIO_POWER = 1.5
REFERENCE_LEVELS = (1.0, 0.6, 0.3)
"""Fractions of the reference scale at high, middle and low noise..."""
REFERENCE_BLENDS = ((0.85, 0.75), (0.45, 0.35))
"""...and the sigmas between which one turns into the next, along a cosine."""

_ROUNDING = 1e-6
"""How far a noise level, in float32 and from a host's own schedule, may lie off the one that is meant."""


BranchWeights = tuple[float, float, float]
"""What each of the `Velocities` counts for in a step, in their order; see `Guidance.weights`."""


class Velocities(NamedTuple):
    """The three predictions of a step, each shaped like the latents."""

    none: Tensor
    """Neither reference nor audio (both zero)."""
    reference: Tensor
    """The reference, with zero audio."""
    reference_audio: Tensor
    """The reference and the audio."""


class ScaleCurve(Protocol):
    """How the scales change with the noise level: `GuidanceCurve`, or `drawn_curve.DrawnGuidance`."""

    def reference_fraction(self, sigma: float) -> float:
        """The fraction of the reference scale at `sigma` in 0..1."""
        ...

    def audio_fraction(self, sigma: float) -> float:
        """The fraction of the audio scale at `sigma` in 0..1."""
        ...


@dataclass(frozen=True)
class GuidanceCurve:
    """How the scales change with the noise level (sigma, 1 at the start of sampling and 0 at its end).

    The audio's falls as sigma ** `audio_power`. The reference's has three levels, fractions of its scale at high,
    middle and low noise; along a cosine, each turns into the next between the two sigmas (from, to) of a blend.
    """

    audio_power: float = AUDIO_POWER
    reference_levels: tuple[float, float, float] = REFERENCE_LEVELS
    reference_blends: tuple[tuple[float, float], tuple[float, float]] = REFERENCE_BLENDS

    def __post_init__(self) -> None:
        edges = [edge for blend in self.reference_blends for edge in blend]
        if edges != sorted(edges, reverse=True):
            raise SettingsError(
                f"reference blends at noise levels {edges}: each must lie at or below the one before, as 0.85, 0.75, "
                "0.45, 0.35 do"
            )
        for name, value in (
            ("audio power", self.audio_power),
            *(("reference level", x) for x in self.reference_levels),
        ):
            if not (math.isfinite(value) and value >= 0):
                raise SettingsError(f"a {name} of {value}: use a number of 0 or more")

    def reference_fraction(self, sigma: float) -> float:
        """The fraction of the reference scale at `sigma` in 0..1."""
        level = self.reference_levels[0]
        for (start, end), next_level in zip(self.reference_blends, self.reference_levels[1:], strict=True):
            if sigma >= start:
                return level
            if sigma > end:
                progress = (start - sigma) / (start - end)
                return next_level + (level - next_level) * (1 + math.cos(math.pi * progress)) / 2
            level = next_level
        return level

    def audio_fraction(self, sigma: float) -> float:
        """The fraction of the audio scale at `sigma` in 0..1."""
        return sigma**self.audio_power


RELEASED_CURVE = GuidanceCurve()


@dataclass(frozen=True)
class Guidance:
    """Strengths of the reference and of the audio, 0 or more, and how they change with the noise level.

    With `dynamic` off, both stay at their full strength throughout, else they follow `curve`. Outside of the noise
    levels from `start` down to `end` there is no guidance: the prediction from reference and audio counts alone.
    """

    reference_scale: float = 2.5
    audio_scale: float = 10.0
    dynamic: bool = True
    curve: ScaleCurve = RELEASED_CURVE
    start: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        for name, scale in (("a reference", self.reference_scale), ("an audio", self.audio_scale)):
            if not (math.isfinite(scale) and scale >= 0):
                raise SettingsError(f"{name} scale of {scale}: use a number of 0 or more")
        if not 0 <= self.end <= self.start <= 1:
            raise SettingsError(
                f"guidance from noise level {self.start} to {self.end}: noise falls from 1 to 0 during sampling, so "
                "the start must be the higher of the two"
            )

    def reference(self, sigma: float) -> float:
        """r(t): by default full strength at high noise, 0.6 of it in the middle, 0.3 at the end."""
        if not self._acts_at(sigma):
            return 1.0
        return self.reference_scale * (self.curve.reference_fraction(sigma) if self.dynamic else 1.0)

    def audio(self, sigma: float) -> float:
        """a(t): by default scale * t^1.5, strongest at the start, where the mouth's shape is decided."""
        if not self._acts_at(sigma):
            return 1.0
        return self.audio_scale * (self.curve.audio_fraction(sigma) if self.dynamic else 1.0)

    def weights(self, sigma: float) -> BranchWeights:
        """What each prediction (none, reference, reference_audio) counts for: 1 in all. One of 0 need not be made."""
        r, a = self.reference(sigma), self.audio(sigma)
        return 1 - r, r - a, a

    def combine(self, v: Velocities, sigma: float) -> Tensor:
        """v = none + r(t) (ref - none) + a(t) (ref_audio - ref)."""
        r, a = self.reference(sigma), self.audio(sigma)
        return v.none + r * (v.reference - v.none) + a * (v.reference_audio - v.reference)

    def _acts_at(self, sigma: float) -> bool:
        return self.end - _ROUNDING <= sigma <= self.start + _ROUNDING


UNGUIDED = Guidance(reference_scale=1.0, audio_scale=1.0, dynamic=False)
"""The prediction from reference and audio alone, at a third of the work."""
