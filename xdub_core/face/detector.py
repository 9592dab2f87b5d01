"""What a face detector is: frames in, one face (or none) a frame out.

All backends answer in the same units, so that tracking and smoothing need not know which one spoke: pixels of the
frame, and scores of about 0 to 1. RTMW's raw scores run to about 10 (its SimCC logits), so its backends divide them
by 10 (released model §6: "scores / 10"); DWPose's and MediaPipe's already run to about 1 and are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from xdub_core.errors import FaceError

KEYPOINTS = 134
"""Whole-body keypoints in OpenPose order: 18 body (1 = neck), 6 feet, 68 face, 21 + 21 hands."""
FACE_POINTS, FACE_POINT_COUNT = slice(24, 92), 68
"""The points of the face, in the order of the 300-W and COCO-WholeBody annotations."""


@dataclass(frozen=True)
class Detection:
    """One face in one frame.

    `keypoints`: float64 [134, 3] of x, y (pixels of the frame, possibly outside of it) and score (about 0..1), 0 for
    a point that the backend does not know; or None where the backend gives a box only.
    `box`: float64 [4] xyxy in pixels. Without keypoints it is the box to crop, used as it is; with keypoints it is
    the extent of the 68 face points, for choosing between people and for display.
    `score`: confidence in the face, about 0..1. `openness`: how far the mouth is open, in face heights or in the
    detector's own unit; None where the detector does not know.
    """

    box: np.ndarray
    score: float
    keypoints: np.ndarray | None = None
    openness: float | None = None

    def __post_init__(self) -> None:
        if self.box.shape != (4,):
            raise FaceError(
                f"a face box has 4 numbers (x0, y0, x1, y1), but this one has shape {self.box.shape}"
            )
        if self.keypoints is not None and self.keypoints.shape != (KEYPOINTS, 3):
            raise FaceError(f"keypoints have shape ({KEYPOINTS}, 3), but these have {self.keypoints.shape}")


class FaceDetector(Protocol):
    """Finds the face to dub in frames, a few at a time.

    Backends that look at pixels treat every frame alone and ignore `numbers`. Backends made of given boxes or
    landmarks look the frame up by its number; without `numbers` they count the frames that they are shown.

    A detector whose attribute `follow` is true is for a model that was trained on crops that follow the face closely:
    a face that hardly moves gets no fixed box then.
    """

    def detect(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[Detection | None]:
        """Faces of a small batch of frames (uint8 or uint16 [H, W, 3] RGB); None where a frame has none."""
        ...


@runtime_checkable
class PeopleDetector(FaceDetector, Protocol):
    """A `FaceDetector` that can also tell of every face in a frame.

    Where a frame has one face, `detect_all` gives just what `detect` does. A detector that has `looks` (a `Looks`) says
    by it how people are recognised again.
    """

    def detect_all(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[list[Detection]]:
        """All faces of a small batch of consecutive frames (as for `detect`), best first; none of a face twice."""
        ...


def all_faces(
    detector: FaceDetector, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
) -> list[list[Detection]]:
    """What any detector tells of the faces in each frame: all that it finds, or the one that it gives."""
    if isinstance(detector, PeopleDetector):
        return detector.detect_all(frames, numbers)
    return [[] if face is None else [face] for face in detector.detect(frames, numbers)]


def eight_bit(frame: np.ndarray) -> np.ndarray:
    """The frame as the detectors take it: uint8 stays, uint16 (full range) is reduced."""
    if frame.dtype not in (np.uint8, np.uint16) or frame.ndim != 3 or frame.shape[2] != 3:
        raise FaceError(
            f"a frame is uint8 or uint16 of shape [H, W, 3], but this one is {frame.dtype} {list(frame.shape)}"
        )
    return np.ascontiguousarray(frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8))


def detection_from_keypoints(keypoints: np.ndarray, score: float | None = None) -> Detection:
    """A detection from 134 keypoints: its box is the extent of the face points that have a score.

    `score` defaults to the mean score of the 68 face points. Raises FaceError where no face point has a score.
    """
    face = keypoints[FACE_POINTS]
    known = face[face[:, 2] > 0, :2]
    if not len(known):
        raise FaceError("no point of the face has a score above 0")
    box = np.concatenate([known.min(0), known.max(0)]).astype(np.float64)
    return Detection(box, float(face[:, 2].mean()) if score is None else score, keypoints.astype(np.float64))
