"""Curves over the noise level that somebody draws, point by point, and guidance that follows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from xdub_core.errors import SettingsError
from xdub_core.sampling.guidance import AUDIO_POWER, REFERENCE_BLENDS, REFERENCE_LEVELS, RELEASED_CURVE

Points = tuple[tuple[float, float], ...]


class Interpolation(str, Enum):
    """How a curve goes from point to point."""

    MONOTONE = "monotone_cubic"
    """Smoothly, and nowhere beyond the two points (Fritsch and Carlson 1980)."""
    LINEAR = "linear"


@dataclass(frozen=True)
class DrawnCurve:
    """A curve through `points` (x, y), x and y in 0..1; level before the first and after the last.

    Points are sorted by x. Of several at one x the last counts from there on. Raises SettingsError for fewer than two
    points, or one that is outside.
    """

    points: Points
    interpolation: Interpolation = Interpolation.MONOTONE

    def __post_init__(self) -> None:
        for point in self.points:
            if len(point) != 2 or not all(math.isfinite(each) and 0 <= each <= 1 for each in point):
                raise SettingsError(f"a curve's point at {point}: both numbers must be in 0 to 1")
        if len(self.points) < 2:
            raise SettingsError(f"a curve of {len(self.points)} points: draw two or more")
        object.__setattr__(self, "points", tuple(sorted(self.points, key=lambda point: point[0])))

    def __call__(self, x: float) -> float:
        """The curve's height at `x`."""
        before = [number for number, point in enumerate(self.points) if point[0] <= x]
        if not before:
            return self.points[0][1]
        number = before[-1]
        if number == len(self.points) - 1:
            return self.points[-1][1]
        (x0, y0), (x1, y1) = self.points[number], self.points[number + 1]
        t, width = (x - x0) / (x1 - x0), x1 - x0
        if self.interpolation is Interpolation.LINEAR:
            return y0 + t * (y1 - y0)
        slopes = _slopes(self.points)
        start, end = width * slopes[number], width * slopes[number + 1]
        rise = t * t * (3 - 2 * t)  # Hermite's four cubics
        return y0 + rise * (y1 - y0) + t * (1 - t) * ((1 - t) * start - t * end)


def _slopes(points: Sequence[tuple[float, float]]) -> list[float]:
    """The curve's slope at each point, with which it is monotone between any two."""
    secants = [(y1 - y0) / (x1 - x0) if x1 > x0 else 0.0 for (x0, y0), (x1, y1) in pairwise(points)]
    inner = [0.0 if a * b <= 0 else (a + b) / 2 for a, b in pairwise(secants)]
    slopes = [secants[0], *inner, secants[-1]]
    for number, secant in enumerate(secants):
        if secant == 0:
            slopes[number] = slopes[number + 1] = 0.0
            continue
        a, b = slopes[number] / secant, slopes[number + 1] / secant
        if (size := math.hypot(a, b)) > 3:
            slopes[number], slopes[number + 1] = 3 * a / size * secant, 3 * b / size * secant
    return slopes


REFERENCE_POINTS: Points = (
    (0.0, REFERENCE_LEVELS[2]),
    (REFERENCE_BLENDS[1][1], REFERENCE_LEVELS[2]),
    (REFERENCE_BLENDS[1][0], REFERENCE_LEVELS[1]),
    (REFERENCE_BLENDS[0][1], REFERENCE_LEVELS[1]),
    (REFERENCE_BLENDS[0][0], REFERENCE_LEVELS[0]),
    (1.0, REFERENCE_LEVELS[0]),
)
"""The released model's fraction of the reference scale, as points; its cosines to within 0.004."""

AUDIO_POINTS: Points = tuple((x, round(x**AUDIO_POWER, 4)) for x in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0))
"""The released model's fraction of the audio scale, as points; to within 0.005."""


@dataclass(frozen=True)
class DrawnGuidance:
    """The fractions of the scales at each noise level, as drawn, in place of a `GuidanceCurve`.

    None, or the points of the released model as they are: exactly the released model's own.
    """

    reference: DrawnCurve | None = None
    audio: DrawnCurve | None = None

    def __post_init__(self) -> None:
        for name, points in (("reference", REFERENCE_POINTS), ("audio", AUDIO_POINTS)):
            if getattr(self, name) == DrawnCurve(points):
                object.__setattr__(self, name, None)

    def reference_fraction(self, sigma: float) -> float:
        """The fraction of the reference scale at `sigma` in 0..1."""
        return RELEASED_CURVE.reference_fraction(sigma) if self.reference is None else self.reference(sigma)

    def audio_fraction(self, sigma: float) -> float:
        """The fraction of the audio scale at `sigma` in 0..1."""
        return RELEASED_CURVE.audio_fraction(sigma) if self.audio is None else self.audio(sigma)


def histogram(levels: Sequence[float], bins: int = 64) -> list[int]:
    """How many of some noise levels in 0..1 lie in each of so many equal parts, from 0 on."""
    counts = [0] * bins
    for level in levels:
        counts[min(int(level * bins), bins - 1)] += 1
    return counts
