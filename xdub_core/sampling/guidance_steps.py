"""Guidance at the noise levels that a sampler really visits, and between them: for whoever looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import EXACT, predictions_planned

_BESIDE = 1e-5
"""How near to the window's edges, on their outer sides, the scales are looked at: they jump there."""


@dataclass(frozen=True)
class GuidanceAt:
    """The scales of reference and audio at a noise level, and how many predictions are made there: 1 to 3, or fewer
    where earlier ones stand in (`reuse`)."""

    sigma: float
    reference: float
    audio: float
    predictions: int


def guidance_at(
    guidance: Guidance, sigmas: Iterable[float], predictions: Sequence[int] | None = None
) -> tuple[GuidanceAt, ...]:
    """The guidance at each noise level; `predictions`: how many were made there, if not all that count."""
    sigmas = tuple(sigmas)
    if predictions is None:
        predictions = predictions_planned(guidance, EXACT, sigmas)
    return tuple(
        GuidanceAt(
            sigma,
            guidance.reference(sigma),
            guidance.audio(sigma),
            made,
        )
        for sigma, made in zip(sigmas, predictions, strict=True)
    )


def guidance_line(guidance: Guidance, points: int = 101) -> tuple[GuidanceAt, ...]:
    """The guidance from noise level 1 down to 0, at so many levels and on both sides of the window's edges."""
    edges = (guidance.start + _BESIDE, guidance.start, guidance.end, guidance.end - _BESIDE)
    levels = {*np.linspace(0, 1, points).tolist(), *(edge for edge in edges if 0 <= edge <= 1)}
    return guidance_at(guidance, sorted(levels, reverse=True))
