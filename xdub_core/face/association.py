"""Which faces of consecutive frames are one face: by where they are, where they were going, and how they look.

Within a scene (from cut to cut) a face keeps to where it moves; so two people who cross are told apart by their speed
and, where both come near the same place, by their looks. What comes out are `Tracklet`s: unbroken stays of one face.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from xdub_core.face.found import Found
from xdub_core.face.looks import Looks
from xdub_core.face.overlap import shared_area
from xdub_core.face.sighting import Sighting

LOST_FRAMES = 25
"""A face that is away for longer is looked for by its looks alone."""
NEAR, NEAR_PER_FRAME, FARTHEST = 0.6, 0.2, 2.0
"""Faces by which one may miss where it is expected: from one frame to the next, more for each frame away, at most."""
RESIZED = 1.6
"""Factor by which a face may grow or shrink meanwhile."""
STRANGER = 0.15
"""Who looks less alike than this is somebody else, wherever they are."""
HIDING = 0.3
"""A new face that shares more than this with one that is known is none."""
_STEERING = 0.4
_GALLERY = 8
_LIKE_PLACE = 0.5
"""What looks count for, as against the place."""


class Tracklet:
    """An unbroken stay of one face: what was found of it, where it goes, and what it looks like.

    `gallery`: a few of its looks; `portrait` with its `quality`: the best; `motion`: float [seen], how much its mouth
    moved since the frame before; `reasons` are judged later.
    """

    def __init__(self, number: int, sighting: Sighting, size: tuple[int, int]) -> None:
        self.found = Found()
        self.motion = array("f")
        self.gallery: list[np.ndarray] = []
        self.portrait, self.quality = sighting.portrait, -1.0
        self.sides = 0.0
        self._velocity = np.zeros(2)
        self._last = sighting
        self._recent = sighting.looks
        self._size = size
        self.add(number, sighting)

    @property
    def first(self) -> int:
        """Number of the first frame with it."""
        return self.found.seen[0]

    @property
    def last(self) -> int:
        """Number of the last frame with it."""
        return self.found.seen[-1]

    def add(self, number: int, sighting: Sighting) -> None:
        """It was seen in a later frame."""
        if self.found.seen:
            step = number - self.last
            moved = (sighting.middle - self._last.middle) / step
            self._velocity += _STEERING * (moved - self._velocity)
        self.motion.append(_motion(self._last, sighting) if self.found.seen else 0.0)
        self.found.add(number, sighting.detection, self._size)
        seen = len(self.found.seen)
        self._recent = sighting.looks if seen == 1 else 0.7 * self._recent + 0.3 * sighting.looks
        if len(self.gallery) < _GALLERY:
            if seen & (seen - 1) == 0 or seen % 5 == 0:
                self.gallery.append(sighting.looks)
        elif seen % 25 == 0:
            self.gallery[seen // 25 % _GALLERY] = sighting.looks
        if sighting.quality > self.quality:
            self.portrait, self.quality = sighting.portrait, sighting.quality
        self.sides += sighting.side
        self._last = sighting

    def distances(self, number: int, faces: Sequence[Sighting], looks: Looks) -> np.ndarray:
        """How far each face of a later frame is from being this one: [faces], infinite for what it cannot be."""
        away = number - self.last
        expected = self._last.middle + self._velocity * min(away, LOST_FRAMES)
        reach = min(NEAR + NEAR_PER_FRAME * (away - 1), FARTHEST)
        alike = looks.likeness(self._recent[None], np.stack([face.looks for face in faces]))[0]
        costs = np.empty(len(faces))
        for index, face in enumerate(faces):
            side = max(face.side, self._last.side)
            # Slow faces are as likely to have stopped as to have gone on.
            missed = min(
                float(np.linalg.norm(face.middle - place)) / side for place in (expected, self._last.middle)
            )
            grown = side / min(face.side, self._last.side)
            possible = missed <= reach and grown <= RESIZED * 1.02**away and alike[index] >= STRANGER
            costs[index] = missed / reach + _LIKE_PLACE * (1 - alike[index]) if possible else np.inf
        return costs


class Associator:
    """Makes tracklets of the faces of one frame after the other."""

    def __init__(self, looks: Looks, size: tuple[int, int]) -> None:
        self._looks, self._size = looks, size
        self._open: list[Tracklet] = []

    def step(self, number: int, faces: Sequence[Sighting]) -> list[Tracklet]:
        """Take in the faces of a later frame of this scene; gives the tracklets that have ended before it."""
        ended = [track for track in self._open if number - track.last > LOST_FRAMES]
        self._open = [track for track in self._open if number - track.last <= LOST_FRAMES]
        known: list[int] = []
        if self._open and faces:
            costs = np.stack([track.distances(number, faces, self._looks) for track in self._open])
            for row, column in zip(*assigned(costs), strict=True):
                self._open[row].add(number, faces[column])
                known.append(int(column))
        boxes = np.array([face.detection.box for face in faces]).reshape(-1, 4)
        for index in sorted(set(range(len(faces))) - set(known)):
            # What mostly covers a face that is known is no other's: somebody hidden behind it, or the same one twice.
            if not (shared_area(boxes[index], boxes[known]) > HIDING).any():
                self._open.append(Tracklet(number, faces[index], self._size))
        return ended

    def end_scene(self) -> list[Tracklet]:
        """A cut, or the end of the video: the tracklets that were still open."""
        ended, self._open = self._open, []
        return ended


def assigned(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cheapest assignment by costs [rows, columns], as many as can be; none is infinite."""
    possible = np.isfinite(costs)
    rows, columns = linear_sum_assignment(np.where(possible, costs, 1e6))
    kept = possible[rows, columns]
    return rows[kept], columns[kept]


def _motion(before: Sighting, now: Sighting) -> float:
    """How much the mouth has moved: in openness where both know it, else in the picture of the mouth."""
    if before.openness is not None and now.openness is not None:
        return abs(now.openness - before.openness)
    return float(np.abs(now.mouth - before.mouth).mean())
