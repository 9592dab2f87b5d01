"""Hard cuts of a video, found while its frames pass by.

The content test of the field (PySceneDetect's content and adaptive detectors: how unlike are two frames that follow
each other, and is that far more than around them?), made for shots of people. Frames are shrunk and compared in tiles:
by the pattern in each (correlation, which knows neither brightness nor contrast) and by its colour (but for what the
light has changed everywhere), at rest and moved as the picture moves (phase correlation). So lamps, fades and pans are
no cuts. Nor is what lasts one frame only, or two that are much brighter (a flash).

PySceneDetect itself is not used: its detectors go by hue, saturation and brightness of each pixel, so that a lamp that
is switched on is a cut to them.

Not found: dissolves and wipes, cuts into or out of a whip pan, shots of a single frame, and jump cuts that change
little of the picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

CUT = 0.3
"""Two frames are of different shots where their unlikeness (0 to 1, about the share of the picture that is new) is at
least this,"""
OUTLIER = 1.5
"""and this many times that of the pairs of frames before and after: fast motion lasts, a cut does not."""
FLASH = 40
"""Two frames that are brighter by this (of 255) than those around are a flash, if the picture comes back."""
CELLS = 96
"""Cells along the shrunk frame's long side."""
SAMPLES = 4
"""Pixels along each side that a cell averages, at most."""
TILE = 8
"""Cells along a tile's side."""
TEXTURED = (4.0, 12.0)
"""A tile with a smaller standard deviation (of 255) has no pattern to compare, one with a larger has."""
OTHER_COLOR = 40.0
"""A tile is of quite another colour where its channels differ by this (of 255), on average."""
EXPOSED, BLACK, BRIGHTER = 80.0, 6.0, 4.0
"""Of two frames that are both darker than the first on average, and lighter than the second (a fade's end), differences
count for more, as if they were that bright; this many times more at most."""
STAYED, ENOUGH = 0.7, 0.05
"""A pattern that correlates by more than the first is the same thing in another light; a share of such tiles, at least
the second, tells the colour of the light."""
OVERLAP = 0.3
"""Share of the picture that two frames of a pan must have in common."""
BEHIND, AHEAD = 3, 2
"""Frames to know before and after one, to tell whether it begins a shot."""


class _Tiles(NamedTuple):
    """A shrunk frame's tiles: mean colours [tiles, 3], luma without its mean [tiles, cells], its deviation [tiles]."""

    colors: np.ndarray
    pattern: np.ndarray
    deviation: np.ndarray


class _Known(NamedTuple):
    """A frame that passed: shrunk, float32 RGB [rows, columns, 3] of 0 to 255; and how unlike the one before it is."""

    shrunk: np.ndarray
    tiles: _Tiles
    unlike: float = 0.0


class CutDetector:
    """Finds the hard cuts of the frames that pass through `watch`, of which it keeps six, shrunk.

    `cuts`: numbers of the frames that begin a new shot, ascending; complete when all frames have passed. A shot has
    two frames at least.
    """

    def __init__(self) -> None:
        self.cuts: list[int] = []

    def watch(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass on `frames` (RGB, uint8 or uint16 [height, width, 3]) as they are, looking at each.

        One and the same array again is the same picture, and costs nothing. A frame of another size is another shot.
        """
        near: deque[_Known | None] = deque([None] * (BEHIND + 1 + AHEAD), BEHIND + 1 + AHEAD)
        before, count = None, 0
        for frame in frames:
            near.append(_known(frame, before, near[-1]))
            before, count = frame, count + 1
            self._decide(near, count - 1 - AHEAD)
            yield frame
        for number in range(count - AHEAD, count):
            near.append(None)
            self._decide(near, number)

    def _decide(self, near: deque[_Known | None], number: int) -> None:
        """Whether frame `number`, with those around it, begins a shot."""
        after_another = not self.cuts or number - self.cuts[-1] > 1
        if after_another and _begins_shot(list(near)):
            self.cuts.append(number)


def _known(frame: np.ndarray, before: np.ndarray | None, known: _Known | None) -> _Known:
    if frame is before and known is not None:
        return known._replace(unlike=0.0)
    shrunk = _shrunk(frame)
    new = _Known(shrunk, _tiles(shrunk))
    return new if known is None else new._replace(unlike=_unlikeness(known, new))


def _begins_shot(near: list[_Known | None]) -> bool:
    """Whether the frame after `BEHIND` others begins a shot; None: there is no such frame."""
    third, second, first, this, following, next_but_one = near
    if second is None or first is None or this is None or following is None:
        return False
    # A flash may follow the cut at once.
    calm = min(following.unlike, next_but_one.unlike if next_but_one else 0.0)
    if this.unlike < max(CUT, OUTLIER * first.unlike, OUTLIER * calm):
        return False
    if _alike(second, this) or _alike(first, following):  # a single frame differs
        return False
    return not (_flash(first, this, following, next_but_one) or _flash(third, second, first, this))


def _flash(before: _Known | None, one: _Known, two: _Known, after: _Known | None) -> bool:
    if before is None or after is None:
        return False
    bright = min(one.shrunk.mean(), two.shrunk.mean()) - FLASH
    return bool(bright > max(before.shrunk.mean(), after.shrunk.mean())) and _alike(before, after)


def _alike(one: _Known, other: _Known) -> bool:
    return _unlikeness(one, other) < CUT


def _shrunk(frame: np.ndarray) -> np.ndarray:
    """The frame in cells, each the mean of up to 16 pixels spread over it; float32 [rows, columns, 3]."""
    height, width = frame.shape[:2]
    small = min(1.0, CELLS / max(height, width))
    cells = max(1, round(width * small)), max(1, round(height * small))
    samples = min(width, cells[0] * SAMPLES), min(height, cells[1] * SAMPLES)
    picked = cv2.resize(frame, samples, interpolation=cv2.INTER_NEAREST)
    mean = cv2.resize(picked, cells, interpolation=cv2.INTER_AREA).astype(np.float32)
    return mean / 257 if frame.dtype == np.uint16 else mean


def _luma(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def _unlikeness(one: _Known, other: _Known) -> float:
    """How unlike two frames are, 0 to 1: at rest, or moved as the picture has moved if that is less."""
    if one.shrunk.shape != other.shrunk.shape:
        return 1.0
    at_rest = _in_tiles(one.tiles, other.tiles)
    if at_rest < CUT:
        return at_rest
    down, right = _motion(_luma(one.shrunk), _luma(other.shrunk))
    common, moved = _overlap(one.shrunk, -down, -right), _overlap(other.shrunk, down, right)
    if common.size < OVERLAP * one.shrunk.size:
        return at_rest
    return min(at_rest, _in_tiles(_tiles(common), _tiles(moved)))


def _overlap(picture: np.ndarray, y: int, x: int) -> np.ndarray:
    rows, columns = picture.shape[:2]
    return picture[max(0, y) : rows + min(0, y), max(0, x) : columns + min(0, x)]


def _in_tiles(one: _Tiles, other: _Tiles) -> float:
    """The mean over tiles of how unlike pattern or colour are, 0 to 1, each tile's worse counting."""
    darker, lighter = sorted((one.colors.mean(), other.colors.mean()))
    exposure = min(max(EXPOSED / lighter, 1.0), BRIGHTER) if darker > BLACK else 1.0
    low, high = TEXTURED
    deviation = exposure * np.maximum(one.deviation, other.deviation)
    textured = np.clip((deviation - low) / (high - low), 0, 1)
    product = np.einsum("tc,tc->t", one.pattern, other.pattern) / one.pattern.shape[1]
    correlation = np.clip(product / (one.deviation * other.deviation + 1e-3), 0, 1)
    gain = _gain(one.colors, other.colors, textured * correlation > STAYED)
    differ = exposure * np.abs(other.colors - gain * one.colors).mean(axis=1)
    return float(np.maximum(textured * (1 - correlation), np.minimum(differ / OTHER_COLOR, 1)).mean())


def _tiles(picture: np.ndarray) -> _Tiles:
    """The picture's whole tiles; it is one where it is smaller than a tile."""
    rows, columns = picture.shape[:2]
    height, width = min(TILE, rows), min(TILE, columns)
    down, across = rows // height, columns // width
    whole = picture[: down * height, : across * width]
    colors = cv2.resize(whole, (across, down), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    luma = _luma(whole).reshape(down, height, across, width).swapaxes(1, 2).reshape(-1, height * width)
    pattern = luma - luma.mean(axis=1, keepdims=True)
    return _Tiles(colors, pattern, np.sqrt(np.einsum("tc,tc->t", pattern, pattern) / (height * width)))


def _gain(colors: np.ndarray, others: np.ndarray, stayed: np.ndarray) -> np.ndarray:
    """What the light has done between two frames: the factors by which most of their tiles have changed.

    A factor per channel [3] where enough of the patterns `stayed` (bool [tiles]) and tell the light's colour; else one.
    """
    if stayed.mean() >= ENOUGH:
        return np.median((others[stayed] + 1) / (colors[stayed] + 1), axis=0)
    return np.median((others + 1) / (colors + 1), keepdims=True)[0]


def _motion(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Cells (down, right) that the picture has moved as a whole: phase correlation of two, [rows, columns] each."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in one.shape))
    first, second = (np.fft.rfft2((picture - picture.mean()) * window) for picture in (one, other))
    cross = second * first.conj()
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-6), one.shape)
    peak = np.unravel_index(np.argmax(surface), surface.shape)
    down, right = (int(at) - side * (at > side // 2) for at, side in zip(peak, one.shape, strict=True))
    return down, right
