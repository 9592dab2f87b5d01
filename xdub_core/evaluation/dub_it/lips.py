"""Lips, by 20 landmarks a frame: how far they are from the reference's (LMD), how much they open and close (MAR).

The paper's indices 52..71 (Sec. A.1) are a mouth in the order of the usual 68 points, 48..67, shifted by 4: the outer
lip from one corner round to it again, then the inner one. Here a mouth is points 0..19 in that order: the paper's P52
is point 0. A frame without a face is NaN, and counts in nothing.
"""

from __future__ import annotations

import numpy as np

from xdub_core.errors import SettingsError

MOUTH = 20
"""Points of a mouth."""
FIRST = 52
"""The paper's index of the first of them."""


def lip_landmark_distance(reference: np.ndarray, generated: np.ndarray, size: np.ndarray) -> float:
    """LMD (Sec. A.1, Eq. 4): mean distance of the lips' points from the reference's; the larger, the more they differ.

    `reference`, `generated`: [frames, 20, 2] in pixels. `size` [frames]: of the reference's face in pixels, by which
    distances are divided; the paper does not say by what, and its values (0.01 to 0.05) are no pixels. NaN where no
    frame has both. Raises SettingsError for other shapes.
    """
    _check(reference)
    _check(generated)
    if reference.shape != generated.shape or len(size) != len(reference):
        raise SettingsError(
            f"lips of {len(reference)} and {len(generated)} frames, and {len(size)} sizes, cannot be compared"
        )
    distance = np.linalg.norm(reference - generated, axis=2).mean(axis=1) / size
    return _mean(distance)


def mouth_aspect_ratio(mouths: np.ndarray) -> np.ndarray:
    """MAR (Sec. A.1, Eq. 5) of each frame: |P55 - P61| / |P52 - P58|, the mouth's height by its width.

    `mouths`: [frames, 20, 2] in any unit. NaN where there is no face, or its corners meet. Raises SettingsError.
    """
    _check(mouths)
    height = np.linalg.norm(_point(mouths, 55) - _point(mouths, 61), axis=1)
    width = np.linalg.norm(_point(mouths, 52) - _point(mouths, 58), axis=1)
    return np.divide(height, width, out=np.full(len(mouths), np.nan), where=width > 0)


def mouth_diversity(mouths: np.ndarray) -> float:
    """MAR Div (Sec. A.1, Eq. 6): the ratio's standard deviation over time (of the population); 0 for lips that rest."""
    ratio = mouth_aspect_ratio(mouths)
    seen = ratio[np.isfinite(ratio)]
    return float(seen.std()) if len(seen) else float("nan")


def quality_diversity(distance: float, diversity: float) -> float:
    """QD (Sec. A.1, Eq. 7): LMD x MAR Div. It filters training data, and is in none of the paper's tables."""
    return distance * diversity


def _point(mouths: np.ndarray, index: int) -> np.ndarray:
    """A point by the paper's index."""
    return mouths[:, index - FIRST]


def _check(mouths: np.ndarray) -> None:
    if mouths.ndim != 3 or mouths.shape[1:] != (MOUTH, 2):
        raise SettingsError(f"mouths are [frames, {MOUTH}, 2], and these have the shape {list(mouths.shape)}")


def _mean(values: np.ndarray) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else float("nan")
