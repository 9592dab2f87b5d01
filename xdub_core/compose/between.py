"""What lies between two neighbouring crops of the model in time: each is moved along the motion from one to the other.

A cross-fade alone shows two mouths at once. The motion is dense optical flow (DIS, Kroeger et al. 2016), found in both
directions on reduced crops; what it does not explain, such as teeth that appear, is cross-faded. `benchmarks/judder.py`
measures what is gained.
"""

from __future__ import annotations

import cv2
import numpy as np

MOTION_SIZE = 128
"""Largest side at which motion is looked for; larger ones find little more, and take longer."""


class Between:
    """The crops between two of the model's frames, float32 [size, size, 3] in 0..1 both.

    `before`, `after`: the pictures that are mixed, and whose motion is followed.
    """

    def __init__(self, before: np.ndarray, after: np.ndarray) -> None:
        self._before, self._after = before, after
        one, other = _reduced(before), _reduced(after)
        self._forward, self._backward = _motion(one, other), _motion(other, one)

    def at(self, share: float) -> np.ndarray:
        """The crop at this share, 0..1, of the time from one to the other."""
        before = _moved(self._before, self._forward, -share)
        after = _moved(self._after, self._backward, share - 1)
        return mixed(before, after, share)


def mixed(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """`share` of the way from one array to another of its shape, float32."""
    return np.asarray(cv2.addWeighted(before, 1 - share, after, share, 0.0))


def _reduced(crop: np.ndarray) -> np.ndarray:
    """What motion is looked for in: uint8 [n, n]."""
    size = min(len(crop), MOTION_SIZE)
    small = crop if size == len(crop) else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY)
    return np.asarray(np.clip(np.rint(grey * 255), 0, 255), dtype=np.uint8)


def _motion(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far each point of a picture moves to where it is in the other, as a share of the side: float32 [n, n, 2]."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(flow.calc(one, other, None) / np.float32(len(one)))  # type: ignore[call-overload]


def _moved(crop: np.ndarray, motion: np.ndarray, share: float) -> np.ndarray:
    """The crop with every point taken from `share` of its motion away."""
    size = len(crop)
    step = cv2.resize(motion, (size, size), interpolation=cv2.INTER_LINEAR) * np.float32(size * share)
    place = np.arange(size, dtype=np.float32)
    step[..., 0] += place
    step[..., 1] += place[:, None]
    return np.asarray(cv2.remap(crop, step, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))  # type: ignore[call-overload]
