"""Following one face through a video: detections in, one calm square box a frame out (released model §6).

A *shot* is a span of frames without a cut, over which the face moves without a jump. Shots are smoothed on their own,
so that no box glides through a cut. Frames without a face keep a box (for the crops that bridge short gaps) but are
marked absent.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.boxes import square_box
from xdub_core.face.detector import FACE_POINT_COUNT, FACE_POINTS, Detection, FaceDetector
from xdub_core.face.smoothing import SmoothingCase, integer_boxes, smooth_boxes
from xdub_core.media.video.cuts import CutDetector

BATCH = 8
"""Frames handed to the detector at once."""
GAP_FRAMES = 12
"""A face that is away for longer starts a new shot."""
JUMP = 0.5
"""A centre that moves by more of the face's size from one frame to the next has jumped: a cut, or another person."""
GROWTH = 1.5
"""As has a face that becomes larger or smaller by more than this factor."""


@dataclass(frozen=True)
class FaceTrack:
    """Where the face is, frame by frame.

    `boxes`: float64 [frames, 4] xyxy in pixels, square and inside the frame (with `as_released`, on whole pixels, and
    square to within a pixel); `present`: bool [frames], whether there is a face; boxes of absent frames are those of
    the frames around. `shot_numbers`: int64 [frames], the shot that a frame belongs to, counted from 0, short absences
    included, or -1 outside of all. `size`: (width, height) of the frames. `cases`: what the face does in
    each shot; empty where the boxes were given and not smoothed.
    """

    boxes: np.ndarray
    present: np.ndarray
    shot_numbers: np.ndarray
    size: tuple[int, int]
    cases: tuple[SmoothingCase, ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)


def track_faces(
    frames: Iterable[np.ndarray],
    detector: FaceDetector,
    every: int = 1,
    batch: int = BATCH,
    as_released: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FaceTrack:
    """Track the face through `frames`, which are read once and not kept.

    The detector sees each `every`-th frame, the last one too, and `batch` of them at once; boxes between are
    interpolated, but not across a cut (see `media.video.cuts`), which ends a shot even where the face stays in its
    place. A shot without a face in the frames that the detector sees has none. Cuts are found in what is passed
    as `frames`: blank ones, for boxes that are given, have none. `as_released`: whole-pixel boxes, and all frames as
    one shot, as in the release. `progress` is called with the number of frames done.

    Boxes from a detector that gives no keypoints are used as they are, not smoothed. One that is not square grows to
    a square around its centre, since crops must not be distorted, and is moved, or shrunk if it must be, into the
    frame.

    Raises FaceError where there are no frames, or none has a face.
    """
    if every < 1 or batch < 1:
        raise FaceError(f"every and batch must be 1 or more, but are {every} and {batch}")
    cutter = CutDetector()
    watched = frames if as_released else cutter.watch(frames)
    found, count, size = _detect(watched, detector, every, batch, as_released, progress)
    seen = found.seen
    if not seen:
        raise FaceError(
            f"no face in any of the {len(found.looked_at)} frames looked at: check that the video is upright and the "
            "face large enough, try another detector, or give the face box yourself"
        )
    detections = [range(len(seen))] if as_released else _shots(seen, found.boxes, cutter.cuts)
    values = found.values
    shots = [range(seen[part.start], seen[part.stop - 1] + 1) for part in detections]
    boxes, cases = np.empty((count, 4)), []
    follow = getattr(detector, "follow", False) and not as_released
    for shot, part in zip(shots, detections, strict=True):
        given = _interpolated(np.asarray(shot), seen[part.start : part.stop], values[part.start : part.stop])
        if given.ndim == 3:
            boxes[shot.start : shot.stop], case = smooth_boxes(given, size, as_released, follow)
            cases.append(case)
        else:
            boxes[shot.start : shot.stop] = integer_boxes(given, size) if as_released else given
    nearest, same_scene = _nearest(np.array(found.looked_at), count, cutter.cuts)
    present = np.isin(found.looked_at, seen)[nearest] & same_scene
    return FaceTrack(*_spread(boxes, shots, present, cutter.cuts), size, tuple(cases))


class _Found:
    """What tracking needs of the detections, which are not kept: per face its box and its 68 points, 1.7 kB a frame.

    `looked_at`: numbers of the frames that the detector saw; `seen`: of those with a face.
    """

    def __init__(self, as_released: bool) -> None:
        self.looked_at: list[int] = []
        self.seen: list[int] = []
        self._as_released = as_released
        self._pointed: bool | None = None
        self._boxes, self._values = array("d"), array("d")

    @property
    def boxes(self) -> np.ndarray:
        """The detections' own boxes, float64 [seen, 4] in pixels."""
        return np.frombuffer(self._boxes).reshape(-1, 4)

    @property
    def values(self) -> np.ndarray:
        """Face points, float64 [seen, 68, 3] as fractions of the frame; from a detector of boxes squares [seen, 4]."""
        return np.frombuffer(self._values).reshape(-1, *((FACE_POINT_COUNT, 3) if self._pointed else (4,)))

    def add(self, number: int, detection: Detection | None, size: tuple[int, int]) -> None:
        """Take what is needed of a frame's detection; `size`: (width, height) of the frame."""
        self.looked_at.append(number)
        if detection is None:
            return
        pointed = detection.keypoints is not None
        if self._pointed not in (None, pointed):
            raise FaceError(
                "the detector gave keypoints in some frames and only boxes in others: use one kind"
            )
        self._pointed = pointed
        self.seen.append(number)
        self._boxes.frombytes(detection.box.astype(np.float64).tobytes())
        value = _face_points(detection, size, self._as_released) if pointed else _square(detection.box, size)
        self._values.frombytes(value.astype(np.float64).tobytes())


def _detect(
    frames: Iterable[np.ndarray],
    detector: FaceDetector,
    every: int,
    batch: int,
    as_released: bool,
    progress: Callable[[int], None] | None,
) -> tuple[_Found, int, tuple[int, int]]:
    """What was found, the number of frames, and their (width, height)."""
    found = _Found(as_released)
    count, size = 0, (0, 0)
    for numbers, images, count in _batches(frames, every, batch):
        size = size if found.looked_at else (images[0].shape[1], images[0].shape[0])
        for number, image in zip(numbers, images, strict=True):
            if (image.shape[1], image.shape[0]) != size:
                raise FaceError(
                    f"frame {number} has {image.shape[1]} x {image.shape[0]} pixels, but the first has "
                    f"{size[0]} x {size[1]}: all must be of one size"
                )
        for number, detection in zip(numbers, detector.detect(images, numbers), strict=True):
            found.add(number, detection, size)
        if progress is not None:
            progress(count)
    if not count:
        raise FaceError("the video has no frames, so there is no face to follow")
    return found, count, size


def _batches(
    frames: Iterable[np.ndarray], every: int, batch: int
) -> Iterator[tuple[list[int], list[np.ndarray], int]]:
    """Numbers and images of the frames to look at, `batch` at a time, and how many frames were read so far."""
    numbers: list[int] = []
    images: list[np.ndarray] = []
    count, last = 0, None
    for frame in frames:
        if count % every == 0:
            numbers.append(count)
            images.append(frame)
        count, last = count + 1, frame
        if len(images) == batch:
            yield numbers, images, count
            numbers, images = [], []
    if last is not None and (count - 1) % every:
        numbers.append(count - 1)
        images.append(last)
    if images:
        yield numbers, images, count


def _nearest(numbers: np.ndarray, count: int, cuts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """For each of `count` frames, the index of the nearest of the (ascending) `numbers`, and whether no cut is between.

    One without a cut between is taken where there is one.
    """
    frames = np.arange(count)
    index = np.searchsorted((numbers[1:] + numbers[:-1]) / 2, frames)
    scene = np.searchsorted(cuts, frames, side="right")
    on_other_side = np.clip(index + np.where(numbers[index] > frames, -1, 1), 0, len(numbers) - 1)
    better = (scene[numbers[index]] != scene) & (scene[numbers[on_other_side]] == scene)
    index = np.where(better, on_other_side, index)
    return index, scene[numbers[index]] == scene


def _square(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box itself where it is a square inside the frame, else the nearest thing to it that is."""
    width, height = box[2:] - box[:2]
    inside = box[:2].min() >= 0 and box[2] <= size[0] and box[3] <= size[1]
    return box if width == height and inside else square_box(box, 1.0, size)


def _face_points(detection: Detection, size: tuple[int, int], as_released: bool) -> np.ndarray:
    """The face's points, float64 [68, 3], x and y as fractions of the frame."""
    assert detection.keypoints is not None
    face = detection.keypoints[FACE_POINTS].astype(np.float64)  # a copy
    if not as_released:
        _place_unknown(face, detection.box)
        face = np.nan_to_num(face)
    face[:, :2] /= size
    return face


def _place_unknown(face: np.ndarray, box: np.ndarray) -> None:
    """Put face points that the detector does not know in the middle of those that it knows, in place."""
    unknown = ~((face[:, 2] > 0) & np.isfinite(face).all(axis=1))
    middle = (box[:2] + box[2:]) / 2 if unknown.all() else face[~unknown, :2].mean(axis=0)
    face[unknown] = (*middle, 0)


def _shots(seen: Sequence[int], extents: np.ndarray, cuts: Sequence[int]) -> list[range]:
    """The detections of each shot, as ranges of indices into `seen`: no cut, no jump of the face, no long absence."""
    steps = np.diff(seen)
    centers = (extents[:, :2] + extents[:, 2:]) / 2
    sides = np.maximum((extents[:, 2:] - extents[:, :2]).max(axis=1), 1e-6)
    larger, smaller = np.maximum(sides[1:], sides[:-1]), np.minimum(sides[1:], sides[:-1])
    moved = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    usual = np.min(steps, initial=1)  # `every`, as far as the detections show it
    allowed = np.minimum(steps, 4)
    cut = (moved > JUMP * larger * allowed**0.5) | (larger > GROWTH**allowed**0.5 * smaller)
    cut |= steps > GAP_FRAMES + usual
    cut |= np.diff(np.searchsorted(cuts, seen, side="right")) > 0
    edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(seen)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _interpolated(at: np.ndarray, numbers: Sequence[int], values: np.ndarray) -> np.ndarray:
    """Values [len(numbers), ...] known at the frames `numbers`, linearly interpolated at the frames `at`."""
    if len(at) == len(numbers):
        return values
    after = np.clip(np.searchsorted(numbers, at), 1, len(numbers) - 1)
    known = np.asarray(numbers, np.float64)
    weight = (at - known[after - 1]) / (known[after] - known[after - 1])
    weight = weight.reshape(-1, *(1,) * (values.ndim - 1))
    return values[after - 1] * (1 - weight) + values[after] * weight


def _spread(
    boxes: np.ndarray, shots: Sequence[range], present: np.ndarray, cuts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, presence and shot numbers of all frames: those outside the shots take the nearest shot's nearest box."""
    known = np.concatenate([np.asarray(shot) for shot in shots])
    number = np.repeat(np.arange(len(shots)), [len(shot) for shot in shots])
    nearest, _ = _nearest(known, len(boxes), cuts)
    inside = np.zeros(len(boxes), bool)
    inside[known] = True
    return boxes[known[nearest]], present, np.where(inside | present, number[nearest], -1)
