"""Where a face that was found is of no use to the model, and how a change comes and goes with the face.

Thresholds are low on purpose: a face that is plainly there is never judged away.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise

import numpy as np

SMALLEST = 32.0
"""Pixels of the smallest crop (a face is about 2/3 of it): a sixteenth of the released model's. Less is tiny."""
SMALLEST_SHARE = 4
"""A crop of less than this share of the model's own size is tiny, where that is less than `SMALLEST`."""
TURNED = 0.2
"""The eyes' distance over that from the eyes to the chin: 0.5 to 0.7 from the front, less than this from about 70
degrees on."""
HIDDEN, HIDDEN_OF_REST = 0.2, 0.5
"""The lips' mean score, and that over the other points', below both of which they are hidden."""
CUT_OFF = 0.2
"""Crops lie inside the picture: where one is held back by the picture's edge, the face's middle is off its usual place
in the crop, outwards, by more than this share of the crop's side."""
AT_EDGE = 0.1
"""Share of its side within which a crop is at the picture's edge."""
STEADY = 2
"""Frames to either side of one that also say whether a face is turned or hidden: the most count."""
FADE = 5
"""Frames over which a change comes in, or goes out, where the face does."""
_LEFT_EYE, _RIGHT_EYE, _CHIN, _LIPS = slice(36, 42), slice(42, 48), 8, slice(48, 68)


class Reason(IntEnum):
    """Why there is no face in a frame, or none that can be dubbed."""

    THERE = 0
    NOT_FOUND = 1
    TINY = 2
    TURNED = 3
    HIDDEN = 4
    CUT_OFF = 5

    @property
    def told(self) -> str:
        """In words."""
        return _TOLD[self]


_TOLD = {
    Reason.THERE: "the face is there",
    Reason.NOT_FOUND: "the face was not found",
    Reason.TINY: "the face is tiny",
    Reason.TURNED: "the face is turned away",
    Reason.HIDDEN: "the mouth is hidden",
    Reason.CUT_OFF: "the face leaves the picture",
}


def smallest_crop(crop_size: int) -> float:
    """Pixels of the smallest crop that is of use to a model of this `crop_size`."""
    return min(SMALLEST, crop_size / SMALLEST_SHARE)


def unfit(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Reasons uint8 [n] by 68 points [n, 68, 3] (x, y as fractions of `size`, score): THERE, TURNED or HIDDEN."""
    left, right = (points[:, eye, :2].mean(1) * size for eye in (_LEFT_EYE, _RIGHT_EYE))
    apart = np.linalg.norm(right - left, axis=1)
    tall = np.linalg.norm(points[:, _CHIN, :2] * size - (left + right) / 2, axis=1)
    lips, rest = points[:, _LIPS, 2].mean(1), points[:, : _LIPS.start, 2].mean(1)
    reasons = np.zeros(len(points), np.uint8)
    reasons[_mostly((lips < HIDDEN) & (lips < HIDDEN_OF_REST * rest))] = Reason.HIDDEN
    reasons[_mostly(apart < TURNED * tall)] = Reason.TURNED
    return reasons


def cut_off(points: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whether a face is leaving the picture, bool [n]: points [n, 68, 3] as for `unfit`, boxes [n, 4] of its crops."""
    sides = boxes[:, 2:] - boxes[:, :2]
    middles = (points[..., :2].min(axis=1) + points[..., :2].max(axis=1)) / 2 * size
    off = (middles - (boxes[:, :2] + boxes[:, 2:]) / 2) / sides
    off -= np.median(off, axis=0)
    at_low, at_high = boxes[:, :2] < AT_EDGE * sides, boxes[:, 2:] > size - AT_EDGE * sides
    outwards = np.where(at_low & ~at_high, -off, np.where(at_high & ~at_low, off, 0))
    return np.asarray((outwards > CUT_OFF).any(axis=1))


def _mostly(flags: np.ndarray) -> np.ndarray:
    """Whether a flag [n] is set in most of the frames around."""
    window = 2 * STEADY + 1
    return np.convolve(np.pad(flags, STEADY, mode="edge"), np.ones(window), mode="valid") > window / 2


def fades(present: np.ndarray, cuts: tuple[int, ...]) -> np.ndarray | None:
    """How much of the change goes into each frame, float32 [frames] in 0..1, by where the face is `present` [frames].

    The change comes in over the first `FADE` frames in which the face is, and goes out over the last: less abruptly
    than the face. Not so at hard `cuts` (numbers of the frames that begin a scene), nor where the video begins and
    ends. None where nothing fades.
    """
    edges = [0, *cuts, len(present)]
    strengths = np.ones(len(present), np.float32)
    for start, stop in pairwise(edges):
        strengths[start:stop] = _faded(present[start:stop])
    return strengths if (strengths < 1).any() else None


def _faded(present: np.ndarray) -> np.ndarray:
    """The strengths within one scene."""
    absent = np.flatnonzero(~present)
    if not len(absent):
        return np.ones(len(present), np.float32)
    frames = np.arange(len(present))
    after = np.searchsorted(absent, frames)
    to_next = absent[np.minimum(after, len(absent) - 1)] - frames
    since_last = frames - absent[np.maximum(after - 1, 0)]
    distance = np.minimum(
        np.where(after < len(absent), to_next, len(present)), np.where(after > 0, since_last, len(present))
    )
    return np.minimum(np.where(present, distance, 0) / (FADE + 1), 1).astype(np.float32)
