"""Faces that are given frame by frame, not looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.detector import Detection

FindFace = Callable[[int, tuple[int, int]], Detection | None]
"""(number of the frame, its (width, height)) -> the face that was given for it."""


class GivenFaces:
    """A `FaceDetector` that answers with faces found elsewhere, or drawn: `count` entries, one for each frame.

    Frames are counted as they come unless `numbers` say which they are. Frames behind the last entry are an error, not
    faceless, since that is a mistake more often than meant. `what` the entries are called in it.
    """

    def __init__(self, count: int, find: FindFace, what: str) -> None:
        """Raises FaceError where there are no entries."""
        if count < 1:
            raise FaceError(f"the list of {what} is empty: give one, or null, for each frame")
        self.count, self.what = count, what
        self._find = find
        self._next = 0

    def detect(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[Detection | None]:
        """The given faces. Raises FaceError for a frame without an entry, or one that its entry does not fit."""
        if numbers is None:
            numbers = range(self._next, self._next + len(frames))
            self._next += len(frames)
        return [self._detection(frame, number) for frame, number in zip(frames, numbers, strict=True)]

    def on_frames(self, indices: Sequence[int] | np.ndarray) -> GivenFaces:
        """The same faces for a choice of the frames, such as a timeline's: entry i is that of frame `indices[i]` [n].

        Raises FaceError where a frame has no entry.
        """
        chosen = [int(index) for index in indices]
        self._check(max(chosen, default=0))
        return GivenFaces(len(chosen), lambda number, size: self._find(chosen[number], size), self.what)

    def _detection(self, frame: np.ndarray, number: int) -> Detection | None:
        self._check(number)
        return self._find(number, (frame.shape[1], frame.shape[0]))

    def _check(self, number: int) -> None:
        if not 0 <= number < self.count:
            raise FaceError(
                f"there are {self.what} for {self.count} frames, but the video has a frame {number}: give one "
                "for each frame"
            )
