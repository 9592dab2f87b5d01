"""Lips against sound: how far the mouth is open, or how much it moves, beside the loudness of what it says.

What the curves are: of every frame at 25 a second in which somebody was dubbed, the opening of the mouth before and
after as a landmark network reads it, where the detector has one that is cheap (the built-in model's); else how much the
picture of the mouth has changed since the frame before. The loudness is the recording's root mean square in each frame.
The lag is that shift at which both go together best (Pearson's correlation), and is only stated where it stands out.

What they are not: a verdict. Sound is loud with the mouth nearly closed ("m"), and a mouth opens before it is heard;
correlations of 0.3 to 0.6 are those of good lips. No network judges sync here (`evaluation.sync` has one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from xdub_core.dub.scene import Scene
from xdub_core.face.crop import crop_frame
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.timeline import MODEL_FPS

SIDE = 96
"""Pixels of the close-up of a face that lips are read in."""
CLOSE_UP, RAISED = 1.6 / 1.3, 0.05 / 1.3
"""The close-up's side and how far its middle lies above the crop's, in sides of the crop: as the mini's landmark
network was trained, whose crops are 1.3 times as large as the face and 0.05 faces lower."""
REACH = 12
"""Frames by which lips and sound are shifted against each other, to either side."""
FEWEST = 75
"""Frames with lips and sound from which on a lag can be told."""
CLEAR, STANDS_OUT = 0.3, 0.1
"""The least correlation at the lag, and by how much it must exceed that of every shift more than `BESIDE` away."""
BESIDE = 3
_BATCH = 16
_MOUTH = (slice(54, 90), slice(26, 70))  # of the close-up: rows, columns
_MOUTH_SIDE = 16

Openings = Callable[[np.ndarray], np.ndarray]
"""Close-ups, uint8 [n, SIDE, SIDE, 3] RGB -> how far each mouth is open [n], in any unit in which 0 is closed."""


@dataclass(frozen=True)
class SyncCurve:
    """One person's lips and sound, 25 times a second of the output; None where nobody is dubbed.

    Attributes:
        person: the number of whose it is.
        measure: "opening" or "movement" of the mouth.
        before, after: that of the source's mouth and of the dub's, on one scale, 1 being the most that is usual.
        loudness: of the recording, 1 being the most that is usual.
        lag_frames: by how many frames the dub's lips come after the sound; None where that does not stand out.
        correlation: of the dub's lips and the sound at that lag, or else at none; None where there is too little.
        correlation_before: of the source's lips and the new sound, unshifted: what chance gives.
    """

    person: int
    measure: str
    before: tuple[float | None, ...]
    after: tuple[float | None, ...]
    loudness: tuple[float, ...]
    lag_frames: int | None
    correlation: float | None
    correlation_before: float | None
    rate: float = MODEL_FPS


class LipWatch:
    """Reads everybody's lips in the frames of a dub as they pass: `add` each of the model's frames once, then `curves`.

    It keeps four numbers a frame and speaker. Without `openings`, movement is read.
    """

    def __init__(self, scene: Scene, openings: Openings | None = None) -> None:
        self._scene, self._openings = scene, openings
        self._slots = scene.slots
        shape = (len(scene.speakers), 2, scene.frames)
        self._lips = np.full(shape, np.nan, np.float32)
        self._waiting: list[tuple[tuple[int, int, int], np.ndarray]] = []
        self._last: dict[tuple[int, int], tuple[int, np.ndarray]] = {}
        self._seen = -1

    def add(self, number: int, frame: FinishedFrame) -> None:
        """A frame of the output that shows the model's frame `number`; of several the first is taken."""
        if number <= self._seen or frame.source is None:
            return
        self._seen = number
        slot = self._slots[number]
        for place, speaker in enumerate(self._scene.speakers):
            silent = speaker.strength is not None and speaker.strength[number] <= 0
            if silent or not frame.changed or not speaker.track.present[slot]:
                continue
            square = _square(speaker.track.boxes[slot])
            for side, picture in enumerate((frame.source.rgb, frame.rgb)):
                face = np.rint(crop_frame(picture, square, SIDE) * 255).astype(np.uint8)
                self._waiting.append(((place, side, number), face))
        if len(self._waiting) >= _BATCH:
            self._read()

    def curves(self, loudness: Sequence[np.ndarray], numbers: Sequence[int]) -> tuple[SyncCurve, ...]:
        """Everybody's, given the loudness [frames or fewer] of what each says, and their numbers."""
        self._read()
        measure = "opening" if self._openings else "movement"
        return tuple(
            _curve(number, measure, lips[0], lips[1], _as_long(loud, self._scene.frames))
            for number, lips, loud in zip(numbers, self._lips, loudness, strict=True)
        )

    def _read(self) -> None:
        if not self._waiting:
            return
        places, faces = zip(*self._waiting, strict=True)
        self._waiting = []
        if self._openings is not None:
            for place, value in zip(places, self._openings(np.stack(faces)), strict=True):
                self._lips[place] = value
            return
        for (speaker, side, number), face in zip(places, faces, strict=True):
            mouth = _mouth(face)
            before, last = self._last.get((speaker, side), (-2, mouth))
            if number == before + 1:
                self._lips[speaker, side, number] = np.abs(mouth - last).mean()
            self._last[speaker, side] = (number, mouth)


def lag_of(lips: np.ndarray, loudness: np.ndarray) -> tuple[int | None, float | None]:
    """By how many frames lips [n] (nan: unknown) come after the sound [n], and how well they go together then.

    The lag is None where none stands out; the correlation is then that without a shift, None for too few frames.
    """
    found = np.array([_correlation(lips, loudness, lag) for lag in range(-REACH, REACH + 1)])
    if np.isnan(found[REACH]):
        return None, None
    if np.isnan(found).any():
        return None, float(found[REACH])
    best = int(found.argmax())
    far = np.abs(np.arange(len(found)) - best) > BESIDE
    if found[best] >= CLEAR and found[best] - found[far].max() >= STANDS_OUT:
        return best - REACH, float(found[best])
    return None, float(found[REACH])


def _correlation(lips: np.ndarray, loudness: np.ndarray, lag: int) -> float:
    """Of lips and the sound `lag` frames before them; nan for too few frames."""
    count = len(lips) - abs(lag)
    if count < FEWEST:
        return np.nan
    one, other = lips[max(0, lag) :][:count], loudness[max(0, -lag) :][:count]
    known = np.isfinite(one)
    if known.sum() < FEWEST or one[known].std() < 1e-9 or other[known].std() < 1e-9:
        return np.nan
    return float(np.corrcoef(one[known], other[known])[0, 1])


def _curve(
    person: int, measure: str, before: np.ndarray, after: np.ndarray, loudness: np.ndarray
) -> SyncCurve:
    lag, together = lag_of(after, loudness)
    chance = _correlation(before, loudness, 0)
    both = np.concatenate([before, after])
    most = _most(both[np.isfinite(both)])
    return SyncCurve(
        person,
        measure,
        _told(before / most),
        _told(after / most),
        tuple(np.round(loudness.astype(float) / _most(loudness[loudness > 0]), 3).tolist()),
        lag,
        None if together is None else round(together, 3),
        None if np.isnan(chance) else round(chance, 3),
    )


def _most(values: np.ndarray) -> float:
    return max(float(np.quantile(values, 0.98)), 1e-6) if len(values) else 1.0


def _told(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(round(value, 3) if value == value else None for value in values.tolist())


def _as_long(loudness: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(loudness[:frames], (0, max(0, frames - len(loudness))))


def _square(box: np.ndarray) -> np.ndarray:
    side = box[2] - box[0]
    middle = (box[:2] + box[2:]) / 2 - np.array([0.0, RAISED * side])
    return np.concatenate([middle - CLOSE_UP * side / 2, middle + CLOSE_UP * side / 2])


def _mouth(face: np.ndarray) -> np.ndarray:
    """The mouth's grey values [16, 16], evened out, so that a change of light is no movement."""
    grey = cv2.cvtColor(np.ascontiguousarray(face[_MOUTH]), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_MOUTH_SIDE, _MOUTH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    evened: np.ndarray = (small - small.mean()) / (small.std() + 8)
    return evened
