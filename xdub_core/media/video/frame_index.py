"""The index of a video's frames, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Frames in presentation order.

    Attributes:
        pts: int64 timestamps in units of `time_base`, strictly ascending; None where the file has no usable ones
            (frames are then known by their number from the start).
        seconds: float64 times of appearance, the first frame at 0.
        keyframes: int64 ascending numbers of the frames from which decoding can start.
        stamps: int64 timestamps by which the keyframes are found in the file.
        last_duration: seconds for which the last frame stays.
        start: seconds of the first frame on the container's own clock.
        stated_rate: frames a second as the container states them, which its timestamps may round; None: it does not.
    """

    pts: np.ndarray | None
    seconds: np.ndarray
    keyframes: np.ndarray
    stamps: np.ndarray
    time_base: Fraction
    last_duration: float
    start: float
    stated_rate: Fraction | None = None

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def average_fps(self) -> float:
        """Frames a second."""
        if len(self) > 1:
            return float((len(self) - 1) / self.seconds[-1])
        return 1 / self.last_duration

    def number(self, pts: int | None) -> int | None:
        """The frame shown at `pts`; a timestamp that a decoder moved a little counts for the nearest frame."""
        if self.pts is None or pts is None:
            return None
        after = int(np.searchsorted(self.pts, pts))
        nearest = min(max(after - 1, 0), len(self) - 1)
        if after < len(self) and self.pts[after] - pts <= pts - self.pts[nearest]:
            nearest = after
        typical = (self.pts[-1] - self.pts[0]) / max(1, len(self) - 1)
        return nearest if abs(int(self.pts[nearest]) - pts) <= typical / 4 else None

    def keyframe_before(self, frame: int) -> int:
        """The number of the last keyframe at or before a frame (0 where none is known)."""
        at = int(np.searchsorted(self.keyframes, frame, side="right")) - 1
        return int(self.keyframes[at]) if at >= 0 else 0

    def stamp(self, keyframe: int) -> int:
        """The timestamp to seek for a keyframe."""
        return int(self.stamps[np.searchsorted(self.keyframes, keyframe)])
