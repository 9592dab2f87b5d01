"""A face's change at any instant: that of one of the model's frames, or what lies between two of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from xdub_core.compose.between import Between, mixed
from xdub_core.compose.paste_back import PasteMode
from xdub_core.compose.region import with_regions
from xdub_core.dub.crops import Crop, DubbedCrop
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack

OTHER_PICTURE = 0.1
"""Mean absolute difference, of 0..1, of a frame and its neighbour in the place of a face: more is another shot."""


class Change(NamedTuple):
    """What goes into a frame: a crop, the region that is changed in it, where, and how much of it."""

    crop: DubbedCrop
    region: np.ndarray | None
    box: np.ndarray
    strength: float


class _Made(NamedTuple):
    """One of the model's frames: its number, its shot, and its change."""

    number: int
    shot: range
    change: Change


class _Gap(NamedTuple):
    """What lies between two of them: generated crops, and the source's through the VAE."""

    numbers: tuple[int, int]
    generated: Between
    kept: Between | None


class FaceChanges:
    """The changes of a face, asked for at instants that ascend (by less than a frame they may go back).

    Between two of the model's frames of one shot the crops are interpolated, and the box where it goes in; never over
    the end of a shot, where an instant between belongs to the side whose picture it shows.
    """

    def __init__(
        self,
        track: FaceTrack,
        shots: Iterable[tuple[range, Iterable[DubbedCrop]]],
        strength: np.ndarray | None,
        slots: np.ndarray,
        mode: PasteMode,
    ) -> None:
        self._track = track
        self._slots = slots
        self._strength = strength
        self._mode = mode
        self._coming: Iterator[tuple[range, Iterable[DubbedCrop]]] | None = iter(shots)
        self._shot = range(0)
        self._crops: Iterator[tuple[DubbedCrop, np.ndarray | None]] = iter(())
        self._near: deque[_Made] = deque(maxlen=3)
        self._seen = -1
        self._gap: _Gap | None = None  # where several frames of the output lie

    def at(self, lips: float, place: float, frame: np.ndarray) -> Change | None:
        """The change that goes into a frame; None for none.

        `lips`, `place`: see `ShownFrames`. `frame`: the source's, uint8 or uint16 [height, width, 3].
        """
        first = int(lips)
        before = self._made(first)
        if lips == place == first:
            return before.change if before is not None and before.change.strength else None
        after = self._made(first + 1) if lips > first else before
        sides = [side for side in (before, after) if side is not None]
        if len(sides) < 2 or sides[0].shot != sides[1].shot:
            side = self._same_picture(sides, frame)
            sides = [] if side is None else [side, side]
        return self._between(sides[0], sides[1], lips - first, place, frame) if sides else None

    def _between(
        self, before: _Made, after: _Made, share: float, place: float, frame: np.ndarray
    ) -> Change | None:
        one, other = before.change, after.change
        strength = (1 - share) * one.strength + share * other.strength
        if not strength:
            return None
        box = self._box(place, before.shot)
        crop, region = one.crop, one.region
        if share and other is not one:
            gap = self._gap_between(before, after)
            region = region if region is None or other.region is None else mixed(region, other.region, share)
            kept = None if gap.kept is None else gap.kept.at(share)
            crop = DubbedCrop(gap.generated.at(share), crop.source, kept)
        if crop.source_through_vae is None:
            crop = crop._replace(source=crop_frame(frame, box, len(crop.generated)))
        return Change(crop, region, box, strength)

    def _gap_between(self, before: _Made, after: _Made) -> _Gap:
        numbers = before.number, after.number
        if self._gap is None or self._gap.numbers != numbers:
            one, other = before.change.crop, after.change.crop
            kept = None
            if one.source_through_vae is not None and other.source_through_vae is not None:
                kept = Between(one.source_through_vae, other.source_through_vae)
            self._gap = _Gap(numbers, Between(one.generated, other.generated), kept)
        return self._gap

    def _box(self, place: float, shot: range) -> np.ndarray:
        last = shot.stop - 1
        if shot.stop == len(self._slots) - 1:  # nothing is made after it, but the face may go on
            now, then = self._slots[-2:]
            last += bool(
                self._track.shot_numbers[now] == self._track.shot_numbers[then] and abs(then - now) <= 1
            )
        place = min(max(place, shot.start), last)
        first = int(place)
        one, other = (self._track.boxes[self._slots[min(n, last)]] for n in (first, first + 1))
        box: np.ndarray = one + (other - one) * (place - first)
        return box

    def _same_picture(self, sides: list[_Made], frame: np.ndarray) -> _Made | None:
        """The one whose source crop shows what the frame shows there."""
        distinct = {side.number: side for side in sides}  # frames are compared, not hashed

        def difference(side: _Made) -> float:
            return _difference(crop_frame(frame, side.change.box, len(side.change.crop.source)), side)

        differences = {number: difference(side) for number, side in distinct.items()}
        nearest = min(differences, key=lambda number: differences[number], default=None)
        return distinct[nearest] if nearest is not None and differences[nearest] < OTHER_PICTURE else None

    def _made(self, number: int) -> _Made | None:
        while self._seen < number:
            self._seen += 1
            self._take(self._seen)
        return next((made for made in self._near if made.number == number), None)

    def _take(self, number: int) -> None:
        """Take the next of the model's frames off the shot that it is in, if it is in one."""
        while number >= self._shot.stop and self._coming is not None:
            shot, crops = next(self._coming, (range(0), ()))
            if not shot:
                self._coming = None
            self._shot, regioned = shot, with_regions(islice(crops, len(shot)), self._mode == "change")
            self._crops = iter(regioned)
        if number not in self._shot:
            return
        crop, region = next(self._crops)
        slot = self._slots[number]
        if self._track.present[slot]:
            strength = 1.0 if self._strength is None else float(self._strength[number])
            self._near.append(
                _Made(number, self._shot, Change(crop, region, self._track.boxes[slot], strength))
            )


def _difference(crop: Crop, side: _Made) -> float:
    return float(np.mean(cv2.absdiff(crop, side.change.crop.source)))
