"""A video at a glance: some of its frames, where everybody is in them, and when each person is seen.

All of it is small, however long the video is: a few hundred kB of pictures, and numbers for a few hundred stretches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from xdub_core.face.people import People, Person
from xdub_core.face.presence import Reason
from xdub_core.face.track import FaceTrack

MOST_FRAMES = 60
"""Evenly spread; everybody who is in none of them adds one."""
MOST_PEOPLE = 40
FINEST = 400
"""Stretches that are apart by less than this part of the video are one."""
COLUMNS = 8
SIDE, PORTRAIT_SIDE = 256, 96
"""Pixels of the longer side of a frame, and of a portrait."""


def foremost(people: People, most: int = MOST_PEOPLE) -> tuple[Person, ...]:
    """Those who are seen the longest, by number."""
    longest = sorted(people, key=lambda person: person.frames, reverse=True)[:most]
    return tuple(sorted(longest, key=lambda person: person.number))


def seen(track: FaceTrack) -> np.ndarray:
    """Whether the face was found, fit to be dubbed or not: bool [frames]."""
    return track.present if track.reasons is None else track.reasons != Reason.NOT_FOUND


def strip_frames(tracks: Sequence[FaceTrack], most: int = MOST_FRAMES) -> list[int]:
    """The frames to show, ascending: `most`, and one of everybody who is in none of those."""
    count = len(tracks[0])
    chosen = set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())
    for track in tracks:
        there = np.flatnonzero(seen(track))
        if len(there) and not chosen.intersection(there.tolist()):
            chosen.add(int(there[len(there) // 2]))
    return sorted(chosen)


def boxes_at(tracks: Sequence[FaceTrack], frames: Iterable[int]) -> list[list[list[float]]]:
    """For each frame the faces in it: [place of the track in `tracks`, x0, y0, x1, y1], in parts of the frame."""
    found = [seen(track) for track in tracks]
    return [
        [
            [place, *np.round(track.boxes[frame] / np.tile(track.size, 2), 4).tolist()]
            for place, track in enumerate(tracks)
            if found[place][frame]
        ]
        for frame in frames
    ]


def stretches(track: FaceTrack, finest: int = FINEST) -> list[list[int]]:
    """Where the face is seen: [first frame, the one after the last] of at most `finest` stretches."""
    edges = np.flatnonzero(np.diff(seen(track).astype(np.int8), prepend=0, append=0))
    starts, stops = edges[::2], edges[1::2]
    apart = starts[1:] - stops[:-1] >= max(1.0, len(track) / finest)
    first, last = np.append(True, apart)[: len(starts)], np.append(apart, True)[: len(starts)]
    return np.stack([starts[first], stops[last]], axis=1).tolist()


def sheet(pictures: Iterable[np.ndarray], side: int) -> np.ndarray:
    """Pictures of one size, uint8 or uint16 [H, W, 3], in rows of `COLUMNS`, each with a longer side of at most `side`.

    uint8 [rows * h, columns * w, 3]; fewer columns where there are fewer pictures.
    """
    small = [_smaller(picture, side) for picture in pictures]
    columns = min(COLUMNS, len(small))
    small += [np.zeros_like(small[0])] * (-len(small) % columns)
    return np.vstack([np.hstack(small[row : row + columns]) for row in range(0, len(small), columns)])


def _smaller(picture: np.ndarray, side: int) -> np.ndarray:
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
