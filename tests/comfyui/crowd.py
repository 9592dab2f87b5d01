"""Footage of two faces, and a detector that finds them; without networks."""

from __future__ import annotations

import numpy as np

from xdub_core.face.detector import Detection

LEFT, RIGHT = (4.0, 8.0, 36.0, 40.0), (44.0, 8.0, 76.0, 40.0)
"""Their boxes in footage of 80 x 64 pixels (see `minis.write_footage`)."""


class TwoFaces:
    """A `PeopleDetector` of the two, and in how many frames it was asked for them. `best`: who is given to whoever
    wants a single face: one and the other in turn, as where none of two is the more certain."""

    def __init__(self) -> None:
        self.asked = 0

    def detect_all(self, frames, numbers=None):
        self.asked += len(frames)
        return [[Detection(np.array(box), 1.0) for box in (LEFT, RIGHT)] for _ in frames]

    def detect(self, frames, numbers=None):
        return [faces[number % 2] for number, faces in zip(numbers, self.detect_all(frames), strict=True)]


def changed(new: np.ndarray, old: np.ndarray, box: tuple[float, ...]) -> float:
    """How much a box differs between frames uint8 [n, 64, 80, 3], on average."""
    left, top, right, bottom = map(int, box)
    return float(abs(new[:, top:bottom, left:right].astype(int) - old[:, top:bottom, left:right]).mean())
