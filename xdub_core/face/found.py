"""What tracking keeps of the frames that pass by: the detections of one face, and nothing of the pictures."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.boxes import square_box
from xdub_core.face.detector import FACE_POINT_COUNT, FACE_POINTS, Detection

BATCH_FRAMES = 8
"""Frames handed to the detector at once."""


class Found:
    """What tracking needs of one face's detections, which are not kept: a box and 68 points, 0.85 kB a frame.

    `seen`: numbers of the frames with the face, ascending.
    """

    def __init__(self, as_released: bool = False) -> None:
        self.seen: list[int] = []
        self._as_released = as_released
        self._pointed: bool | None = None
        self._boxes, self._values = array("d"), array("d")  # points as float32, in which they are smoothed

    @property
    def boxes(self) -> np.ndarray:
        """The detections' own boxes, float64 [seen, 4] in pixels."""
        return np.frombuffer(self._boxes).reshape(-1, 4)

    @property
    def values(self) -> np.ndarray:
        """Face points, float32 [seen, 68, 3], as fractions of the frame; of a detector of boxes float64 [seen, 4]."""
        shape = (FACE_POINT_COUNT, 3) if self._pointed else (4,)
        return np.frombuffer(self._values, self._values.typecode).reshape(-1, *shape)

    def add(self, number: int, detection: Detection, size: tuple[int, int]) -> None:
        """Take what is needed of a frame's detection; `size`: (width, height) of the frame.

        Raises FaceError where the detector gives keypoints in some frames and not in others.
        """
        pointed = detection.keypoints is not None
        if self._pointed not in (None, pointed):
            raise FaceError(
                "the detector gave keypoints in some frames and only boxes in others: use one kind"
            )
        if self._pointed is None:
            self._pointed, self._values = pointed, array("f" if pointed else "d")
        self.seen.append(number)
        self._boxes.frombytes(detection.box.astype(np.float64).tobytes())
        value = _face_points(detection, size, self._as_released) if pointed else _square(detection.box, size)
        self._values.frombytes(value.astype(self._values.typecode).tobytes())

    def extend(self, other: Found) -> None:
        """Take over what was found of the same face in later frames. Do not add to `other` any more."""
        if not other.seen:
            return
        if not self.seen:  # an hour is not copied
            self.seen, self._pointed = other.seen, other._pointed
            self._boxes, self._values = other._boxes, other._values
            return
        self.seen += other.seen
        self._boxes.extend(other._boxes)
        self._values.extend(other._values)


class Batch(NamedTuple):
    """Frames to look at together: their numbers and pictures, and how many frames were `read` so far.

    `size`: (width, height) of all frames.
    """

    numbers: list[int]
    images: list[np.ndarray]
    read: int
    size: tuple[int, int]


def batches(frames: Iterable[np.ndarray], every: int = 1, batch: int = BATCH_FRAMES) -> Iterator[Batch]:
    """Each `every`-th frame, the last one too, `batch` of them at once.

    Raises FaceError where there are no frames, or they are not of one size.
    """
    if every < 1 or batch < 1:
        raise FaceError(f"every and batch must be 1 or more, but are {every} and {batch}")
    size: tuple[int, int] | None = None
    for numbers, images, count in _batches(frames, every, batch):
        size = size or (images[0].shape[1], images[0].shape[0])
        for number, image in zip(numbers, images, strict=True):
            if (image.shape[1], image.shape[0]) != size:
                raise FaceError(
                    f"frame {number} has {image.shape[1]} x {image.shape[0]} pixels, but the first has "
                    f"{size[0]} x {size[1]}: all must be of one size"
                )
        yield Batch(numbers, images, count, size)
    if size is None:
        raise FaceError("the video has no frames, so there is no face to follow")


def _batches(
    frames: Iterable[np.ndarray], every: int, batch: int
) -> Iterator[tuple[list[int], list[np.ndarray], int]]:
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
