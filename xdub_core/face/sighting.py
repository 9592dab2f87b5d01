"""One face seen in one frame, with what is kept of its pixels: its looks, a small portrait, how its mouth moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from xdub_core.face.crop import crop_frame
from xdub_core.face.detector import FACE_POINTS, Detection, eight_bit
from xdub_core.face.looks import Looks

PORTRAIT = 160
"""Pixels of a portrait's side."""
_PORTRAIT_FACES, _RAISED, _MOUTH_SIDE = 1.9, 0.12, 16
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))
"""Pairs of the 68 points, one above the other."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A detection with its `looks` [n], a `portrait` uint8 [PORTRAIT, PORTRAIT, 3], and its mouth.

    `openness`: of the mouth, in face heights or the detector's own unit; None where it is not known. `mouth`: float32
    [16, 16], the grey values of the lower face, evened out.
    """

    detection: Detection
    looks: np.ndarray
    portrait: np.ndarray
    openness: float | None
    mouth: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """The middle of the face's box [2], pixels."""
        return (self.detection.box[:2] + self.detection.box[2:]) / 2

    @property
    def side(self) -> float:
        """The box's longer side, pixels."""
        return max(float((self.detection.box[2:] - self.detection.box[:2]).max()), 1.0)

    @property
    def quality(self) -> float:
        """How good a portrait this is: large and sure."""
        return self.side * self.detection.score


def sightings(frame: np.ndarray, detections: Sequence[Detection], looks: Looks) -> list[Sighting]:
    """What is kept of the faces of a frame, uint8 or uint16 [height, width, 3]."""
    if not detections:
        return []
    frame = eight_bit(frame)
    return [_sighting(frame, detection, looks) for detection in detections]


def _sighting(frame: np.ndarray, detection: Detection, looks: Looks) -> Sighting:
    box = detection.box
    middle, side = (box[:2] + box[2:]) / 2, max(float((box[2:] - box[:2]).max()), 2.0)
    raised = middle - np.array([0, _RAISED * side])  # a face's box ends at the brows, a head does not
    around = np.concatenate([raised, raised]) + _PORTRAIT_FACES * side / 2 * np.array([-1, -1, 1, 1])
    portrait = (crop_frame(frame, around, PORTRAIT) * 255).round().astype(np.uint8)
    openness = detection.openness if detection.openness is not None else _openness(detection)
    return Sighting(detection, looks.describe(frame, box), portrait, openness, _mouth(portrait))


def _openness(detection: Detection) -> float | None:
    """The gap between the inner lips over the face's height; None where the detector does not know the lips."""
    if detection.keypoints is None:
        return None
    face = detection.keypoints[FACE_POINTS]
    upper, lower = (face[[pair[side] for pair in _INNER_LIPS]] for side in (0, 1))
    if (upper[:, 2] <= 0).any() or (lower[:, 2] <= 0).any():
        return None
    height = max(float(detection.box[3] - detection.box[1]), 1.0)
    return float(np.linalg.norm(lower[:, :2] - upper[:, :2], axis=1).mean() / height)


def _mouth(portrait: np.ndarray) -> np.ndarray:
    """The middle of the lower face, where a face's mouth is."""
    low, high = int(0.54 * PORTRAIT), int(0.78 * PORTRAIT)
    part = portrait[low:high, int(0.34 * PORTRAIT) : int(0.66 * PORTRAIT)]
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_MOUTH_SIDE, _MOUTH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return (small - small.mean()) / (small.std() + 8)
