"""Following one face through a video: detections in, one calm square box a frame out (released model §6).

A *shot* is a span of frames without a cut, over which the face moves without a jump. Shots are smoothed on their own,
so that no box glides through a cut. Frames without a face keep a box (for the crops that bridge short gaps) but are
marked absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.detector import FaceDetector
from xdub_core.face.found import BATCH_FRAMES, Found, batches
from xdub_core.face.presence import SMALLEST, Reason, cut_off, unfit
from xdub_core.face.smoothing import BEYOND, Continued, SmoothingCase, integer_boxes, smooth_boxes
from xdub_core.media.video.cuts import CutDetector

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
    each shot; empty where the boxes were given and not smoothed. `cuts`: numbers of the frames that begin a scene.
    `reasons`: uint8 [frames], for each frame why the face is not present (a `Reason`; 0 where it is); None where nobody
    judged.
    """

    boxes: np.ndarray
    present: np.ndarray
    shot_numbers: np.ndarray
    size: tuple[int, int]
    cases: tuple[SmoothingCase, ...] = ()
    cuts: tuple[int, ...] = ()
    reasons: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def mean_side(self) -> float:
        """The boxes' mean side in pixels, where the face is; 0 where it never is."""
        sides = (self.boxes[:, 2] - self.boxes[:, 0])[self.present]
        return float(np.mean(sides)) if len(sides) else 0.0

    def is_seen(self, frame: int) -> bool:
        """Whether the face was found in a frame, fit to be dubbed or not."""
        return bool(self.present[frame]) or (
            self.reasons is not None and self.reasons[frame] != Reason.NOT_FOUND
        )


def track_faces(
    frames: Iterable[np.ndarray],
    detector: FaceDetector,
    every: int = 1,
    batch: int = BATCH_FRAMES,
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
    cutter, found, looked_at = CutDetector(), Found(as_released), list[int]()
    count, size = 0, (0, 0)
    for numbers, images, count, size in batches(
        frames if as_released else cutter.watch(frames), every, batch
    ):
        looked_at += numbers
        for number, detection in zip(numbers, detector.detect(images, numbers), strict=True):
            if detection is not None:
                found.add(number, detection, size)
        if progress is not None:
            progress(count)
    if not found.seen:
        raise no_face(len(looked_at))
    watched = Watched(np.array(looked_at), count, size, tuple(cutter.cuts))
    return track_of(found, watched, getattr(detector, "follow", False), as_released)


@dataclass(frozen=True)
class Watched:
    """The frames that were looked at, ascending numbers [n], of `count` of this `size`, and the cuts between them."""

    looked_at: np.ndarray
    count: int
    size: tuple[int, int]
    cuts: tuple[int, ...]


def no_face(looked_at: int) -> FaceError:
    """The error for a video in which there is no face in any of the frames looked at."""
    return FaceError(
        f"no face in any of the {looked_at} frames looked at: check that the video is upright and the "
        "face large enough, try another detector, or give the face box yourself"
    )


def track_of(found: Found, watched: Watched, follow: bool = False, as_released: bool = False) -> FaceTrack:
    """The track of a face that was found in some of the frames; see `track_faces` and `FaceDetector.follow`."""
    seen, size, cuts = found.seen, watched.size, watched.cuts
    detections = [range(len(seen))] if as_released else _shots(seen, found.boxes, cuts)
    shots = [range(seen[part.start], seen[part.stop - 1] + 1) for part in detections]
    boxes, cases = np.empty((watched.count, 4)), []
    for shot, part in zip(shots, detections, strict=True):
        known = slice(part.start, part.stop)
        values = _Interpolated(shot, np.asarray(seen[known]), found.values[known])
        if values.of_points:
            # Where the video goes on before or after the shot, the face did so too.
            before, after = (
                BEYOND * (within and not as_released)
                for within in (shot.start > 0, shot.stop < watched.count)
            )
            boxes[shot.start : shot.stop], case = smooth_boxes(
                Continued(values, (before, after)) if before or after else values,
                size,
                as_released,
                follow and not as_released,
            )
            cases.append(case)
        else:
            given = values[:]
            boxes[shot.start : shot.stop] = integer_boxes(given, size) if as_released else given
    nearest, same_scene = _nearest(watched.looked_at, watched.count, cuts)
    present = np.isin(watched.looked_at, seen)[nearest] & same_scene
    return FaceTrack(*_spread(boxes, shots, present, cuts), size, tuple(cases), cuts)


def judged(track: FaceTrack, found: Found, watched: Watched, smallest: float = SMALLEST) -> FaceTrack:
    """The track without the frames in which the face is tiny, turned away, hidden or leaves; `reasons` says which.

    `smallest`: pixels; boxes with shorter sides are tiny. Such frames are absent, and end a shot where they last.
    """
    looked_at = np.zeros(len(watched.looked_at), np.uint8)
    if found.values.ndim == 3:
        seen = unfit(found.values, watched.size)
        seen[cut_off(found.values, track.boxes[found.seen], watched.size)] = Reason.CUT_OFF
        looked_at[np.searchsorted(watched.looked_at, found.seen)] = seen
    nearest, _ = _nearest(watched.looked_at, watched.count, watched.cuts)
    reasons = looked_at[nearest]
    reasons[track.boxes[:, 2] - track.boxes[:, 0] < smallest] = Reason.TINY
    reasons[~track.present] = Reason.NOT_FOUND
    present = reasons == Reason.THERE
    if (present == track.present).all():
        return replace(track, reasons=reasons)
    numbers, kept = _shots_where(present, track.shot_numbers)
    cases = tuple(track.cases[shot] for shot in kept) if track.cases else ()
    return replace(track, present=present, shot_numbers=numbers, cases=cases, reasons=reasons)


def _shots_where(present: np.ndarray, shot_numbers: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Shot numbers with the frames left out in which the face is absent for long, and each new shot's old number."""
    there = np.flatnonzero(present)
    numbers, kept = np.full(len(present), -1, np.int64), list[int]()
    if not len(there):
        return numbers, kept
    ends = (np.diff(there) > GAP_FRAMES + 1) | (np.diff(shot_numbers[there]) != 0)
    edges = [0, *(np.flatnonzero(ends) + 1).tolist(), len(there)]
    for start, stop in pairwise(edges):
        numbers[there[start] : there[stop - 1] + 1] = len(kept)
        kept.append(int(shot_numbers[there[start]]))
    return numbers, kept


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


@dataclass(frozen=True)
class _Interpolated:
    """Values [numbers, ...] known at some frames of a shot, ascending `numbers`: of each of its frames, in slices."""

    shot: range
    numbers: np.ndarray
    values: np.ndarray

    @property
    def of_points(self) -> bool:
        return self.values.ndim == 3

    def __len__(self) -> int:
        return len(self.shot)

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        """Linearly interpolated where a frame has none of its own."""
        if len(self.shot) == len(self.numbers):
            return self.values[frames]
        at = np.asarray(self.shot[frames])
        after = np.clip(np.searchsorted(self.numbers, at), 1, len(self.numbers) - 1)
        before, step = self.numbers[after - 1], np.diff(self.numbers)[after - 1]
        weight = ((at - before) / step).reshape(-1, *(1,) * (self.values.ndim - 1))
        return self.values[after - 1] * (1 - weight) + self.values[after] * weight


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
