"""Who a face is that was away, or that a cut has brought: somebody seen before, by the looks, or somebody new."""

from __future__ import annotations

from array import array

import numpy as np

from xdub_core.face.association import Tracklet, assigned
from xdub_core.face.found import Found
from xdub_core.face.looks import Looks

SAME = 0.5
"""Likeness from which on two are one person."""
BACK_SOON, BACK_NEAR, BACK_ALIKE = 50, 1.5, 0.3
"""Who comes back in the same scene within so many frames, and within so many faces of where they were, need only look
this much alike."""
_GALLERY = 24
_UNSURE, _MOST_UNSURE = 5, 64
"""Of those who were seen in fewer frames than the first, the latest are remembered."""


class Identity:
    """A person, as far as they were seen: all their tracklets together."""

    def __init__(self, tracklet: Tracklet, scene: int) -> None:
        self.found = Found()
        self.motion = array("f")
        self.gallery: list[np.ndarray] = []
        self.portrait, self.quality = tracklet.portrait, tracklet.quality
        self.sides = 0.0
        self._spans: list[tuple[int, int]] = []
        self.add(tracklet, scene)

    @property
    def first(self) -> int:
        """Number of the first frame with them."""
        return self.found.seen[0]

    def add(self, tracklet: Tracklet, scene: int) -> None:
        """They were seen again, later."""
        self.found.extend(tracklet.found)
        self.motion.extend(tracklet.motion)
        self._spans.append((tracklet.first, tracklet.last))
        self.scene = scene
        room = _GALLERY - len(self.gallery)
        self.gallery += tracklet.gallery[: max(room, 0)]
        if room < len(tracklet.gallery):  # the newest take the places of the oldest but one
            for index, looks in enumerate(tracklet.gallery[max(room, 0) :]):
                self.gallery[(len(self._spans) * 3 + index) % _GALLERY] = looks
        if tracklet.quality > self.quality:
            self.portrait, self.quality = tracklet.portrait, tracklet.quality
        self.sides += tracklet.sides

    def is_elsewhere(self, tracklet: Tracklet) -> bool:
        """Whether they were seen somewhere else meanwhile, so that this cannot be them."""
        return self.found.seen[-1] >= tracklet.first

    def is_back(self, tracklet: Tracklet, scene: int) -> bool:
        """Whether it appears soon after they left, and near."""
        if scene != self.scene or tracklet.first - self.found.seen[-1] > BACK_SOON:
            return False
        box, later = self.found.boxes[-1], tracklet.found.boxes[0]
        side = max((box[2:] - box[:2]).max(), (later[2:] - later[:2]).max())
        return bool(np.abs(box[:2] + box[2:] - later[:2] - later[2:]).max() / 2 < BACK_NEAR * side)


class Identities:
    """Everybody seen so far."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self.everybody: list[Identity] = []

    def recognise(self, tracklets: list[Tracklet], scene: int) -> None:
        """Tell whose tracklets these are, of one scene, and remember them; those that overlap are told jointly."""
        waiting = sorted(tracklets, key=lambda track: track.first)
        while waiting:
            # What begins after another of them has ended may be the same person.
            ends = min(track.last for track in waiting)
            group = [track for track in waiting if track.first <= ends]
            waiting = waiting[len(group) :]
            self._recognise(group, scene)
        self._forget()

    def _recognise(self, group: list[Tracklet], scene: int) -> None:
        known = list(self.everybody)
        new = set(range(len(group)))
        if known:
            costs = np.array([[self._cost(track, one, scene) for one in known] for track in group])
            for row, column in zip(*assigned(costs), strict=True):
                known[column].add(group[row], scene)
                new.discard(int(row))
        self.everybody += [Identity(group[index], scene) for index in sorted(new)]

    def _cost(self, tracklet: Tracklet, one: Identity, scene: int) -> float:
        if one.is_elsewhere(tracklet):
            return np.inf
        alike = np.sort(self._looks.likeness(np.stack(tracklet.gallery), np.stack(one.gallery)), axis=None)
        likeness = float(alike[-max(1, len(alike) // 4) :].mean())
        back = one.is_back(tracklet, scene)
        if likeness < (BACK_ALIKE if back else SAME):
            return np.inf
        return 1 - likeness - (SAME - BACK_ALIKE) * back

    def _forget(self) -> None:
        """Let go of the oldest of those who were hardly seen: mistakes of the detector's, mostly."""
        unsure = [one for one in self.everybody if len(one.found.seen) < _UNSURE]
        for one in unsure[: max(0, len(unsure) - _MOST_UNSURE)]:
            self.everybody.remove(one)
