"""Colour matching of a generated crop to its source crop (released model §5).

Every frame is matched by itself, since its own source says what its colours should be: carrying statistics from frame
to frame only delays that, and shows where a clip begins with another tint (`benchmarks/color_seams.py`).
"""

from __future__ import annotations

import cv2
import numpy as np

UNCHANGED_BELOW = 0.07
"""Pixels whose mean absolute RGB difference is less are held to be untouched, and tell how the colours moved."""
VARIANCE_EPS = 1e-7
LOOKED_AT = 64
"""Pixels along each side from which a crop's tint is taken, at least."""
MOST_TINT = 0.25
"""A crop that is farther off as a whole is not tinted, but another picture."""

_MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, dtype=np.float32)


def match_color(generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Give each channel of `generated` the mean and deviation that `source` has where the two agree.

    Both float32 [height, width, 3] in 0..1; so is the result. They agree where little differs but for the tint of the
    whole, the median difference: without it, a tint picks the pixels that happen to hide it, or leaves none. Where they
    agree nowhere, `generated` comes back.
    """
    step = max(1, min(generated.shape[:2]) // LOOKED_AT)
    differences = (source[::step, ::step] - generated[::step, ::step]).reshape(-1, 3)
    tint = np.median(differences, axis=0)
    return _matched(generated, source, tint if np.abs(tint).max() <= MOST_TINT else np.zeros(3))


def match_color_as_released(generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """As the release does it: pixels agree where little differs, the tint of the whole included."""
    return _matched(generated, source, np.zeros(3))


def _matched(generated: np.ndarray, source: np.ndarray, tint: np.ndarray) -> np.ndarray:
    plain = generated + tint.astype(np.float32) if tint.any() else generated
    difference = cv2.transform(cv2.absdiff(plain, source), _MEAN_OF_CHANNELS)
    agreeing = (difference < UNCHANGED_BELOW).view(np.uint8)
    if not cv2.countNonZero(agreeing):
        return generated
    mean, deviation = (statistic[:, 0] for statistic in cv2.meanStdDev(generated, mask=agreeing))
    target_mean, target_deviation = (statistic[:, 0] for statistic in cv2.meanStdDev(source, mask=agreeing))
    gain = np.sqrt(target_deviation**2 + VARIANCE_EPS) / np.sqrt(deviation**2 + VARIANCE_EPS)
    affine = np.concatenate([np.diag(gain), (target_mean - gain * mean)[:, None]], axis=1)
    return np.clip(cv2.transform(generated, affine), 0, 1)
