"""What lies between two neighbouring crops of the model in time."""

from __future__ import annotations

import cv2
import numpy as np


def mixed(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """`share` of the way from one array to another of its shape, float32."""
    return np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0.0))
