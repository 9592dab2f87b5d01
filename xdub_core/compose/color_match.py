"""Colour matching of a generated crop to its source crop (released model §5)."""

from __future__ import annotations

import cv2
import numpy as np

UNCHANGED_BELOW = 0.07
"""Pixels whose mean absolute RGB difference is less are held to be untouched, and tell how the colours moved."""
VARIANCE_EPS = 1e-7

_MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, dtype=np.float32)


def match_color(generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Give each channel of `generated` the mean and deviation that `source` has where the two agree.

    Both float32 [height, width, 3] in 0..1; so is the result. Where they agree nowhere, `generated` comes back.
    """
    difference = cv2.transform(cv2.absdiff(generated, source), _MEAN_OF_CHANNELS)
    agreeing = (difference < UNCHANGED_BELOW).view(np.uint8)
    if not cv2.countNonZero(agreeing):
        return generated
    mean, deviation = (statistic[:, 0] for statistic in cv2.meanStdDev(generated, mask=agreeing))
    target_mean, target_deviation = (statistic[:, 0] for statistic in cv2.meanStdDev(source, mask=agreeing))
    gain = np.sqrt(target_deviation**2 + VARIANCE_EPS) / np.sqrt(deviation**2 + VARIANCE_EPS)
    affine = np.concatenate([np.diag(gain), (target_mean - gain * mean)[:, None]], axis=1)
    return np.clip(cv2.transform(generated, affine), 0, 1)
