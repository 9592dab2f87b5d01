"""Boxes that the user gives: one for all frames, one per frame, from a mask, or the whole frame. No weights needed.

A box is (x0, y0, x1, y1) in pixels of the source frame, half open: it covers [x0, x1) x [y0, y1).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.detector import Detection
from xdub_core.face.given import GivenFaces

Box = Sequence[float] | np.ndarray


def check_box(box: Any, size: tuple[int, int] | None = None, where: str = "the face box") -> np.ndarray:
    """A box as float64 [4]. Raises FaceError that names `where` and what is wrong.

    `size`: (width, height) of the frame that the box must lie in.
    """
    try:
        values = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (4,):
        raise FaceError(f"{where} must be four numbers x0, y0, x1, y1, but is {box!r:.60}")
    x0, y0, x1, y1 = shown = [round(float(v), 2) if math.isfinite(v) else float(v) for v in values]
    if not np.isfinite(values).all():
        raise FaceError(f"{where} is {shown}: all four numbers must be finite")
    if values[2] <= values[0] or values[3] <= values[1]:
        side = (
            f"x1 = {x1} is not right of x0 = {x0}"
            if values[2] <= values[0]
            else f"y1 = {y1} is not below y0 = {y0}"
        )
        raise FaceError(f"{where} is {shown}: {side}; the order is x0, y0, x1, y1 (left, top, right, bottom)")
    if size and (values[:2].min() < 0 or values[2] > size[0] or values[3] > size[1]):
        raise FaceError(
            f"{where} is {shown}, which reaches outside the frame of {size[0]} x {size[1]} pixels"
        )
    return values


def _face_box(box: Any, where: str = "the face box") -> np.ndarray:
    """A box that a face may be in, a pixel wide and high at least. Raises FaceError."""
    values = check_box(box, where=where)
    if (values[2:] - values[:2]).min() < 1:
        raise FaceError(
            f"{where} is {[round(v, 2) for v in values.tolist()]}, which is less than a pixel wide or high: give it in "
            "pixels of the frame, not in fractions of it"
        )
    return values


def parse_box(text: str) -> np.ndarray:
    """A box as typed on the command line: four numbers with commas or spaces, "24,46,426,448"."""
    try:
        return check_box([float(part) for part in text.replace(",", " ").split()])
    except ValueError:
        raise FaceError(f"the face box must be four numbers x0,y0,x1,y1, but is {text!r:.60}") from None


def drawn_box(drawn: Any) -> np.ndarray:
    """The one box that another node of ComfyUI drew: core's BOUNDING_BOX, alone or in a list of frames' lists.

    Raises FaceError where there is none, or one for each of several frames.
    """
    frames = [[drawn]] if isinstance(drawn, Mapping) else drawn
    if isinstance(frames, Sequence) and frames and isinstance(frames[0], Mapping):
        frames = [frames]
    if not isinstance(frames, Sequence) or not frames or not frames[0]:
        raise FaceError("there is no bounding box: draw one around the whole head, hair and chin included")
    if len(frames) > 1:
        raise FaceError(
            f"there are bounding boxes for {len(frames)} frames: connect them to Face from Landmarks (X-Dub), and that "
            "to face_detector, with face set to find it"
        )
    box = frames[0][0]
    try:
        x, y, width, height = (float(box[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        raise FaceError(
            f"the bounding box needs the numbers x, y, width and height, but is {box!r:.60}"
        ) from None
    return check_box([x, y, x + width, y + height], where="the bounding box")


class FixedBox:
    """A `FaceDetector` that gives one box for every frame."""

    def __init__(self, box: Box) -> None:
        """Raises FaceError for a box that cannot be one."""
        self.box = _face_box(box)

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002
    ) -> list[Detection | None]:
        """The box, once per frame. Raises FaceError where it reaches outside a frame."""
        return [Detection(check_box(self.box, _size(frame)), 1.0) for frame in frames]


class WholeFrame:
    """A `FaceDetector` for footage that is a face crop already: the largest centred square of every frame."""

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002
    ) -> list[Detection | None]:
        """The centred square of each frame."""
        return [Detection(centered_square(*_size(frame)), 1.0) for frame in frames]


class FrameBoxes(GivenFaces):
    """A `FaceDetector` that gives each frame its own box, or none."""

    def __init__(self, boxes: Sequence[Box | None] | np.ndarray, what: str = "face boxes") -> None:
        """`boxes`: one box per frame, None (or a row of NaN) where there is no face. Raises FaceError, by frame."""
        self.boxes = [
            None if _absent(box) else _face_box(box, f"the face box of frame {number}")
            for number, box in enumerate(boxes)
        ]
        super().__init__(len(self.boxes), self._box, what)
        if all(box is None for box in self.boxes):
            raise FaceError(f"none of the {len(boxes)} frames has a face box")

    def _box(self, number: int, size: tuple[int, int]) -> Detection | None:
        box = self.boxes[number]
        if box is None:
            return None
        return Detection(check_box(box, size, f"the face box of frame {number}"), 1.0)


def read_boxes(path: Path | str) -> FrameBoxes:
    """Boxes from a JSON file: a list with [x0, y0, x1, y1] for each frame, or null where there is no face.

    Raises FaceError that names the file, and the frame where one box is wrong.
    """
    try:
        boxes = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FaceError(f"cannot read face boxes from {path}: {error}") from error
    if not isinstance(boxes, list):
        raise FaceError(
            f"{path} must hold a list of boxes, one or null for each frame, not a {type(boxes).__name__}"
        )
    try:
        return FrameBoxes(boxes, f"face boxes in {path}")
    except FaceError as error:
        raise FaceError(f"{path}: {error}") from None


def box_from_mask(mask: np.ndarray, threshold: float = 0.5) -> np.ndarray | None:
    """The smallest box around the mask [H, W] (0..1) where it exceeds `threshold`; None for an empty mask."""
    if mask.ndim != 2:
        raise FaceError(f"a mask has shape [H, W], but this one has {list(mask.shape)}")
    rows, columns = np.flatnonzero((mask > threshold).any(1)), np.flatnonzero((mask > threshold).any(0))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def boxes_from_masks(masks: np.ndarray, threshold: float = 0.5) -> FrameBoxes:
    """Per-frame boxes from masks [n, H, W]; an empty mask is a frame without a face."""
    return FrameBoxes([box_from_mask(mask, threshold) for mask in masks], "masks")


def square_box(box: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
    """A square around the box's centre, `scale` times its longer side, moved and shrunk to lie in the frame.

    `size`: (width, height) of the frame. For face boxes that hug the face, as detectors give them.
    """
    side = min(scale * float((box[2:] - box[:2]).max()), *size)
    corner = (box[:2] + box[2:] - side) / 2
    corner = np.minimum(np.maximum(corner, 0), np.array(size) - side)
    return np.concatenate([corner, np.minimum(corner + side, size)])


def centered_square(width: int, height: int) -> np.ndarray:
    """The largest square in the middle of a frame, on whole pixels."""
    side = min(width, height)
    x0, y0 = (width - side) // 2, (height - side) // 2
    return np.array([x0, y0, x0 + side, y0 + side], np.float64)


def _size(frame: np.ndarray) -> tuple[int, int]:
    return frame.shape[1], frame.shape[0]


def _absent(box: Any) -> bool:
    """Whether the entry says "no face": None, or all four numbers NaN."""
    if box is None:
        return True
    values = np.asarray(box, dtype=object)
    return values.shape == (4,) and all(isinstance(v, float) and math.isnan(v) for v in values)
