"""From jittery keypoints to smooth square boxes: the release's recipe (released model §6).

    keypoints - one-pole filter - Savitzky-Golay, moving means - square boxes - one of three cases - boxes

Up to the raw boxes, every float32 and float64 is where the release has it, so that they are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import chain, pairwise
from typing import NamedTuple, Protocol

import numpy as np
from scipy.signal import savgol_filter

from xdub_core.face.detector import FACE_POINT_COUNT

FACE_INDEX = (39, 42, 3, 13, 1, 2, 0, 16, 15, 14, *range(FACE_POINT_COUNT), 8)
"""Face points that make the box: inner eye corners and cheeks (they tell where the forehead is), then all."""

_Windows = tuple[Sequence[int], Sequence[int]]

SAVGOL_WINDOWS = (15, 19, 23, 27, 31)
SAVGOL_ORDER = 2
POINT_MEANS = (17, 7)
BOX_MEAN = 7
RAW_BOX_MEAN = 5
"""Moving mean of the raw boxes that every case begins with."""
BOX_SAVGOL_WINDOW = 25
CENTER_MEANS: _Windows = (15,), (11, 7, 3)
BOX_MEANS: _Windows = (RAW_BOX_MEAN, 11), (7, 3)
SIDE_MEANS: _Windows = (11,), (7,)
"""Moving means before and after the Savitzky-Golay pass."""
GROWN_BOX_MEANS = (11, 7, 3)
"""Moving means of the boxes that have the smoothed sides."""
REACH = sum(window // 2 for window in (*SAVGOL_WINDOWS, *POINT_MEANS, BOX_MEAN))
"""Frames on both sides that a raw box depends on, apart from the one-pole filter."""
BEYOND = 112
"""Frames on both sides that a box depends on."""
BLOCK = 1024
"""Frames whose points are in memory at once, without those that they depend on."""
FOREHEAD = 1.1
"""The forehead lies this many eye-to-cheek distances above the eyes."""
FACE_TO_BOX = 1.45
"""The box's side over the face's."""
SMALLEST_BOX = 16
"""Pixels; a face that has left the frame has a box all the same."""
LOW_SCORE = 0.3

STILL = 0.16
"""A face keeps one box if every edge stays this near the same edge of all boxes' union, a fraction of its extent."""
STEADY_SIZE = 0.10
"""A face keeps one size if every width stays this near their mean, a fraction of it."""


class SmoothingCase(IntEnum):
    """What the face does, and so what its boxes do."""

    STILL = 1
    """One fixed box."""
    STEADY_SIZE = 2
    """Boxes of one size around a smoothed centre."""
    MOVING = 3
    """Smoothed boxes."""


class SmoothedBoxes(NamedTuple):
    """`boxes`: float64 [frames, 4] xyxy, square, inside the frame; whole numbers where asked for."""

    boxes: np.ndarray
    case: SmoothingCase


class FacePoints(Protocol):
    """A face's 68 points in consecutive frames: an array [frames, 68, 3], or what gives slices of it."""

    def __len__(self) -> int: ...

    def __getitem__(self, frames: slice, /) -> np.ndarray: ...


class Continued:
    """A face's points that go on as they moved before the first frame and after the last: by `margins` frames.

    Means reach less far at the ends of a sequence and would leave boxes behind there, where a face walks. Positions are
    reflected in the point at the end; scores are mirrored.
    """

    def __init__(self, face: FacePoints, margins: tuple[int, int]) -> None:
        self._face = face
        self.margins = margins
        before, after = margins
        self._before = _beyond(face[: before + 1][::-1], before)[::-1]
        self._after = _beyond(face[max(0, len(face) - after - 1) :], after)

    def __len__(self) -> int:
        return len(self._face) + sum(self.margins)

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        start, stop, _ = frames.indices(len(self))
        first, end = self.margins[0], self.margins[0] + len(self._face)
        parts = (
            self._before[start:stop],
            self._face[max(start - first, 0) : max(stop - first, 0)],
            self._after[max(start - end, 0) : max(stop - end, 0)],
        )
        return np.concatenate(parts)


def _beyond(face: np.ndarray, frames: int) -> np.ndarray:
    """So many frames after those of `face` [n, 68, 3]."""
    if not frames:
        return face[:0]
    padding = [(0, frames), (0, 0), (0, 0)]
    going = np.pad(face, padding, mode="reflect", reflect_type="odd")[len(face) :]
    going[..., 2] = np.pad(face, padding, mode="reflect")[len(face) :, :, 2]
    return going


def smooth_boxes(
    face: FacePoints, size: tuple[int, int], as_released: bool = False, follow: bool = False
) -> SmoothedBoxes:
    """Boxes of one face in consecutive frames; of `Continued` points those of the frames between their margins.

    `face`: its 68 points [frames, 68, 3] (`FACE_POINTS` of the 134) of x, y as fractions of the frame's width and
    height, and score; `size`: (width, height) in pixels. With `as_released`, edges are on whole pixels, floor and ceil,
    as in the release (and so not always square); without, they stay where they are, so that crops do not tremble by
    single pixels. With `follow`, boxes follow a face that hardly moves too; see `boxes_by_case`.
    """
    raw = _raw_boxes_in_blocks(face, size)
    margins = face.margins if isinstance(face, Continued) else (0, 0)
    boxes, case = boxes_by_case(raw, size, as_released, follow, margins)
    if as_released:
        return SmoothedBoxes(integer_boxes(boxes, size), case)
    return SmoothedBoxes(squares_inside(boxes, size), case)


def _raw_boxes_in_blocks(face: FacePoints, size: tuple[int, int]) -> np.ndarray:
    """`raw_boxes(filter_keypoints(face), size)`, to the last bit, in the memory of a block."""
    boxes = np.empty((len(face), 4))
    kept, first = np.empty((0, FACE_POINT_COUNT, 3), np.float32), 0  # filtered points, from that frame on
    for start in range(0, len(face), BLOCK):
        stop = min(start + BLOCK, len(face))
        points = face[first + len(kept) : stop + REACH]
        kept = np.concatenate([kept, filter_keypoints(points, *kept[-1:])])
        boxes[start:stop] = raw_boxes(kept, size)[start - first : stop - first]
        done = max(0, stop - REACH - first)
        kept, first = kept[done:].copy(), first + done
    return boxes


def filter_keypoints(keypoints: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """One-pole filter over the frames, float32 [frames, points, 3]: quick for big moves, slow for small ones.

    A coordinate goes the fraction 0.1 + 0.9 / (exp(3 - 600 |move|) + 1) of its move; 0.1 where its score is low.
    `before`: the frame before them, filtered.
    """
    filtered = keypoints.astype(np.float32)
    frames = filtered if before is None else chain([before], filtered)
    for last, now in pairwise(frames):
        move = now[:, :2] - last[:, :2]
        gain = 0.1 + 0.9 / (np.exp(3 - 600 * np.abs(move)) + 1)
        gain[now[:, 2] < LOW_SCORE] = 0.1
        now[:, :2] = last[:, :2] + gain * move
    return filtered


def raw_boxes(filtered: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A square box a frame, float64 [frames, 4] pixels, before the three cases are told apart.

    `filtered`: the face, float32 [frames, 68, 3], coordinates as fractions of `size` = (width, height).
    """
    points = _means(_savgol(filtered[:, FACE_INDEX, :2], SAVGOL_WINDOWS), POINT_MEANS)
    eyes, cheeks = points[:, :2].mean(axis=1), points[:, 2:4].mean(axis=1)
    forehead = eyes + FOREHEAD * (eyes - cheeks)
    points = np.concatenate([points, forehead[:, None]], axis=1) * np.array(size, np.float32)

    points = np.clip(points, 0, np.array(size, np.float32))
    low, high = points.min(axis=1).astype(np.float64), points.max(axis=1).astype(np.float64)
    boxes = _boxes((low + high) / 2, FACE_TO_BOX * (high - low).max(axis=1), size)
    if len(boxes) == 1:
        return boxes
    return _squared(moving_mean(boxes, BOX_MEAN).astype(np.float32)).astype(np.float64)


def boxes_by_case(
    raw: np.ndarray,
    size: tuple[int, int],
    as_released: bool = False,
    follow: bool = False,
    margins: tuple[int, int] = (0, 0),
) -> SmoothedBoxes:
    """Tell the three cases apart and make the boxes of the one that it is; edges at sub-pixel positions.

    `raw`: from `raw_boxes`. With `as_released`, boxes that change their size grow from their top left corner, as the
    release's do, and may be cut off at the frame; without, they grow around their centre. With `follow`, every face is
    one that moves. `margins`: how many frames at both ends are `Continued`: they have no boxes, and do not decide.
    """
    averaged, shown = moving_mean(raw, RAW_BOX_MEAN), slice(margins[0], len(raw) - margins[1])
    if not follow and _is_still(raw[shown]):
        low, high = averaged[shown, :2].min(axis=0), averaged[shown, 2:].max(axis=0)
        union = np.concatenate([low, high])[None]
        box = _boxes(_centers(union), (union[:, 2:] - union[:, :2]).max(axis=1), size)
        return SmoothedBoxes(np.repeat(box, len(raw[shown]), axis=0), SmoothingCase.STILL)
    if not follow and _is_steady(raw[shown]):
        side = (averaged[shown, 2] - averaged[shown, 0]).max()
        centers = _smoothed(_centers(averaged), CENTER_MEANS)[shown]
        return SmoothedBoxes(_boxes(centers, np.full(len(centers), side), size), SmoothingCase.STEADY_SIZE)
    boxes = _smoothed(raw, BOX_MEANS)
    sides = _smoothed((boxes[:, 2:] - boxes[:, :2]).min(axis=1), SIDE_MEANS)
    grown = _grown_from_corner(boxes, sides, size) if as_released else _boxes(_centers(boxes), sides, size)
    grown = _means(grown, GROWN_BOX_MEANS)[shown]
    return SmoothedBoxes(
        np.clip(grown, 0, np.tile(size, 2)) if as_released else squares_inside(grown, size),
        SmoothingCase.MOVING,
    )


def _is_still(raw: np.ndarray) -> bool:
    union = np.concatenate([raw[:, :2].min(axis=0), raw[:, 2:].max(axis=0)])
    return bool((np.abs(raw - union) <= STILL * np.tile(union[2:] - union[:2], 2)).all())


def _is_steady(raw: np.ndarray) -> bool:
    widths = raw[:, 2] - raw[:, 0]
    return bool((np.abs(widths - widths.mean()) <= STEADY_SIZE * widths.mean()).all())


def _grown_from_corner(boxes: np.ndarray, sides: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes of the given sides at the top left corners of `boxes`, no larger than what is left of the frame there."""
    corners = np.maximum(boxes[:, :2], 0)
    sides = np.minimum(sides, (np.array(size) - corners).min(axis=1))
    return np.concatenate([corners, corners + sides[:, None]], axis=1)


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Centred mean over the first axis, rounded to float32; at the ends, of the part of the window that there is.

    A sequence shorter than the window is averaged over the largest odd window that fits it.
    """
    window = _odd_window(window, len(values))
    if window == 1:
        return values
    half = window // 2
    means = np.empty_like(values)
    for t in range(len(values)):
        means[t] = values[max(0, t - half) : t + half + 1].mean(axis=0)
    return means.astype(np.float32).astype(values.dtype)


def integer_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Edges on whole pixels: the smallest such boxes that hold these, cut off at the frame, a pixel large at least."""
    limit = np.array(size, np.float64)
    corner = np.clip(np.floor(boxes[:, :2]), 0, limit - 1)
    return np.concatenate([corner, np.clip(np.ceil(boxes[:, 2:]), corner + 1, limit)], axis=1)


def squares_inside(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Exactly square boxes around the same centres, as large as the longer side, moved and shrunk into the frame."""
    return _boxes((boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1), size)


def _boxes(centers: np.ndarray, sides: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Squares [n, 4] from centres [n, 2] and sides [n], moved and shrunk into the frame, and never empty."""
    sides = np.clip(sides, min(SMALLEST_BOX, *size), min(size))[:, None]
    corner = np.clip(centers - sides / 2, 0, np.array(size) - sides)
    return np.concatenate([corner, corner + sides], axis=1)


def _squared(boxes: np.ndarray) -> np.ndarray:
    """Make boxes square again whose sides differ by rounding, in the boxes' own precision."""
    sides = boxes[:, 2:] - boxes[:, :2]
    uneven = sides[:, 0] != sides[:, 1]
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = sides.max(axis=1, keepdims=True) / 2
    squares = np.concatenate([centers - half, centers + half], axis=1)
    return np.where(uneven[:, None], squares, boxes)


def _centers(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _smoothed(values: np.ndarray, means: _Windows) -> np.ndarray:
    """Moving means, the boxes' Savitzky-Golay pass, moving means; the ends are repeated for half a window there."""
    values = _means(values, means[0])
    half = max(_odd_window(BOX_SAVGOL_WINDOW, len(values)), SAVGOL_ORDER + 1) // 2
    padded = np.pad(values, [(half, half)] + [(0, 0)] * (values.ndim - 1), mode="edge").astype(np.float32)
    passed = savgol_filter(padded, 2 * half + 1, SAVGOL_ORDER, axis=0)[half:-half]
    return _means(passed.astype(values.dtype), means[1])


def _means(values: np.ndarray, windows: Sequence[int]) -> np.ndarray:
    for window in windows:
        values = moving_mean(values, window)
    return values


def _savgol(values: np.ndarray, windows: Sequence[int]) -> np.ndarray:
    """The points' Savitzky-Golay passes over the first axis; windows longer than the sequence are cut down."""
    for window in windows:
        window = _odd_window(window, len(values))
        if window > SAVGOL_ORDER:
            values = savgol_filter(values, window, SAVGOL_ORDER, axis=0, mode="mirror")
    return values


def _odd_window(window: int, length: int) -> int:
    """The window, or the largest odd one that is no longer than the sequence."""
    return min(window, length if length % 2 else length - 1)
