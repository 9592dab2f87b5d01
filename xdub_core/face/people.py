"""The people of a video: who is in it, and each one's track through gaps and cuts.

    all faces - within a scene: association by place - tracklets - across gaps and cuts: recognised by looks - people

Where the looks do not tell that somebody was seen before, a new person begins. Nothing is kept of the frames but small
crops. People are numbered from 1 by first appearance, those who appear together from left to right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count as count_from

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.association import Associator, Tracklet
from xdub_core.face.detector import Detection, FaceDetector, all_faces
from xdub_core.face.found import BATCH_FRAMES, batches
from xdub_core.face.identities import Identities, Identity
from xdub_core.face.looks import CropLooks, Looks
from xdub_core.face.presence import SMALLEST, Reason
from xdub_core.face.sighting import Sighting, sightings
from xdub_core.face.track import FaceTrack, Watched, judged, no_face, track_of
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.media.video.cuts import AHEAD, CutDetector

SHORTEST = 0.2
"""Seconds; who is seen for less is taken for a mistake of the detector's."""
TOGETHER = 0.2
"""Seconds within which people appear together."""


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody in a video.

    `number`: from 1; `track`: where the face is in each frame; `frames`: how many it was found in, `first_frame` being
    the first; `size`: mean side of the face in pixels; `portrait`: uint8 [160, 160, 3], the best view of it;
    `mouth_motion`: float32 [frames of the video], how much the mouth moves, NaN where that is not known.
    """

    number: int
    track: FaceTrack
    first_frame: int
    frames: int
    size: float
    portrait: np.ndarray
    mouth_motion: np.ndarray

    @property
    def first_second(self) -> float:
        """When the face is first seen."""
        return self.first_frame / MODEL_FPS

    @property
    def seconds(self) -> float:
        """For how long the face is on screen."""
        return self.frames / MODEL_FPS

    @property
    def why_not(self) -> str | None:
        """Why the face cannot be dubbed in any frame that it is in; None where it can."""
        reasons = self.track.reasons
        if reasons is None or self.track.present.any():
            return None
        return Reason(int(np.bincount(reasons[reasons > Reason.NOT_FOUND], minlength=1).argmax())).told

    @property
    def share(self) -> float:
        """In what share of the video's frames it is."""
        return self.frames / len(self.track)


@dataclass(frozen=True)
class People:
    """Everybody in a video, one at least, by number."""

    everybody: tuple[Person, ...]

    def __len__(self) -> int:
        return len(self.everybody)

    def __iter__(self) -> Iterator[Person]:
        return iter(self.everybody)

    def person(self, number: int) -> Person:
        """The person of this number, from 1. Raises FaceError where there is none."""
        if not 1 <= number <= len(self):
            there = "only person 1" if len(self) == 1 else f"people 1 to {len(self)}"
            raise FaceError(
                f"there is no person {number}: the video has {there}; `python -m xdub_core people` shows them"
            )
        return self.everybody[number - 1]

    def others(self, *numbers: int) -> tuple[Person, ...]:
        """Everybody else than those of these numbers."""
        return tuple(person for person in self if person.number not in numbers)


def track_people(
    frames: Iterable[np.ndarray],
    detector: FaceDetector,
    every: int = 1,
    batch: int = BATCH_FRAMES,
    looks: Looks | None = None,
    smallest: float = SMALLEST,
    progress: Callable[[int], None] | None = None,
) -> People:
    """Follow everybody through `frames` (uint8 or uint16 [height, width, 3]), which are read once and not kept.

    `detector`: best a `PeopleDetector`; another gives one face a frame, and people who alternate are told apart all
    the same. It sees each `every`-th frame, `batch` of them at once; see `track_faces`, which makes tracks in the same
    way. `looks`: how people are recognised again, if not the detector's own way or `CropLooks`. Frames in which a face
    is turned away, hidden, leaving, or smaller than what makes a crop of `smallest` pixels are not part of its track.
    `progress` is called with the number of frames done.

    Raises FaceError where there are no frames, or none has a face.
    """
    follower = _Follower(looks or getattr(detector, "looks", None) or CropLooks())
    cutter, looked_at = CutDetector(), list[int]()
    count, size = 0, (0, 0)
    for numbers, images, read, size_of_frames in batches(cutter.watch(frames), every, batch):
        looked_at += numbers
        count, size = read, size_of_frames
        for number, image, faces in zip(numbers, images, all_faces(detector, images, numbers), strict=True):
            follower.add(number, image, faces)
        follower.follow(cutter.cuts, count - AHEAD)
        if progress is not None:
            progress(count)
    follower.follow(cutter.cuts, count)
    watched = Watched(np.array(looked_at), count, size, tuple(cutter.cuts))
    found = _listed(follower.finish(), watched, every)
    if not found:
        raise no_face(len(looked_at))
    follow = getattr(detector, "follow", False)
    tracks = (judged(track_of(one.found, watched, follow), one.found, watched, smallest) for one in found)
    return People(tuple(map(_person, count_from(1), found, tracks)))


class _Follower:
    """Takes frames as they come, and makes people of them as soon as it is known where the cuts are."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._waiting: deque[tuple[int, list[Sighting]]] = deque()
        self._associator: Associator | None = None
        self._identities = Identities(looks)
        self._scene = 0

    def add(self, number: int, image: np.ndarray, faces: list[Detection]) -> None:
        """Take in the faces of the next frame that was looked at."""
        if self._associator is None:
            self._associator = Associator(self._looks, (image.shape[1], image.shape[0]))
        self._waiting.append((number, sightings(image, faces, self._looks)))

    def follow(self, cuts: list[int], known: int) -> None:
        """Associate the frames before number `known`, in front of which all `cuts` are known."""
        while self._waiting and self._waiting[0][0] < known:
            number, faces = self._waiting.popleft()
            assert self._associator is not None
            if (scene := int(np.searchsorted(cuts, number, side="right"))) != self._scene:
                self._end(self._associator.end_scene())
                self._scene = scene
            self._end(self._associator.step(number, faces))

    def finish(self) -> list[Identity]:
        """Everybody that was seen."""
        if self._associator is not None:
            self._end(self._associator.end_scene())
        return self._identities.everybody

    def _end(self, tracklets: list[Tracklet]) -> None:
        if tracklets:
            self._identities.recognise(tracklets, self._scene)


def _listed(everybody: list[Identity], watched: Watched, every: int) -> list[Identity]:
    """Those who were seen for long enough, in the order of their numbers."""
    enough = min(SHORTEST * MODEL_FPS, watched.count / 2)
    kept = [one for one in everybody if len(one.found.seen) * every >= enough]
    if not kept and everybody:  # nobody was: better the longest than none
        kept = [max(everybody, key=lambda one: len(one.found.seen))]
    kept.sort(key=lambda one: one.first)
    ordered: list[Identity] = []
    while kept:
        together = [one for one in kept if one.first <= kept[0].first + TOGETHER * MODEL_FPS]
        kept = kept[len(together) :]
        ordered += sorted(together, key=lambda one: float(one.found.boxes[0, [0, 2]].mean()))
    return ordered


def _person(number: int, one: Identity, track: FaceTrack) -> Person:
    motion = np.full(len(track), np.nan, np.float32)
    motion[one.found.seen] = one.motion
    reasons = track.reasons if track.reasons is not None else ~track.present
    frames = int(np.count_nonzero(reasons != Reason.NOT_FOUND))
    size = one.sides / len(one.found.seen)
    return Person(number, track, one.first, frames, size, one.portrait, motion)
