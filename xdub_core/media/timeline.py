"""Timelines: which source frame each slot of a constant frame rate shows (the model's 25 fps), and what comes after.

A clock says when frames appear; a source has one, and so has an output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import partial

import numpy as np

MODEL_FPS = 25.0

# Containers round timestamps to a millisecond: both the frame's own and the first one's may be off by half of it.
_TOLERANCE_SECONDS = 0.002


SlotsFor = Callable[[int], np.ndarray]
"""A timeline's slots, int64, that so many of an output's first frames show; also of more frames than it has."""


MOST_SLOWED = Fraction(5, 4)
"""As many times as long a video is made by slowing it, at most."""


LARGEST_STEP = 2
"""Slots from one frame to the next, in either direction, that are no cut."""


class Extend(str, Enum):
    """How a video is made longer: played to and fro, from its start again, with its last frame standing, or slower.

    Slower than `MOST_SLOWED` it never is; beyond that it is played to and fro.
    """

    BOUNCE = "bounce"
    LOOP = "loop"
    HOLD = "hold"
    SLOW = "slow"


@dataclass(frozen=True, eq=False)
class FrameClock:
    """When frames appear: frame i from `ticks[i] * time_base` seconds to `ticks[i + 1] * time_base`.

    `ticks`: int64 [frames + 1], strictly ascending from 0; the last one is the end of the last frame. `rate`: frames a
    second, exactly where it is constant (`time_base` is then its inverse), else on average.
    """

    ticks: np.ndarray
    time_base: Fraction
    rate: Fraction

    def __len__(self) -> int:
        return len(self.ticks) - 1

    @property
    def is_constant(self) -> bool:
        """Whether a tick is a frame."""
        return self.time_base * self.rate == 1

    def part(self, frames: range) -> FrameClock:
        """The clock of some frames that follow each other, from 0 on."""
        ticks = self.ticks[frames.start : frames.stop + 1]
        return FrameClock(ticks - ticks[0], self.time_base, self.rate)

    @property
    def seconds(self) -> np.ndarray:
        """When each frame appears, float64 [frames]."""
        return self.ticks[:-1] * float(self.time_base)

    @property
    def end(self) -> Fraction:
        """Seconds at which the last frame ends."""
        return int(self.ticks[-1]) * self.time_base


def constant_clock(frames: int, rate: Fraction | int) -> FrameClock:
    """The clock of frames that appear at a constant rate."""
    return FrameClock(np.arange(frames + 1, dtype=np.int64), 1 / Fraction(rate), Fraction(rate))


@dataclass(frozen=True, eq=False)
class Timeline:
    """Slot k lasts from k / fps to (k + 1) / fps seconds and shows source frame `source_index[k]` (int64)."""

    source_index: np.ndarray
    fps: float = MODEL_FPS

    def __len__(self) -> int:
        return len(self.source_index)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self) / self.fps


def timeline_from_timestamps(
    seconds: np.ndarray, duration: float, fps: float = MODEL_FPS, nearest: bool = False
) -> Timeline:
    """Bring frames shown at any times to a constant rate.

    Args:
        seconds: when each frame appears, ascending; only differences count (the first frame is at time 0).
        duration: seconds from the first frame's appearance to the end of the last one.
        fps: rate of the timeline.
        nearest: for an output on the source's own clock, see below.

    Two rules. A source whose every frame i lies less than half a slot from slot i's time i / fps runs at `fps`
    already: each frame gets its own slot, however its timestamps jitter. Otherwise slot k shows the frame that is on
    screen at its time k / fps: the latest one that appears not later than 2 ms after it (timestamps are rounded).
    There are round(duration * fps) slots, at least one; a last frame that stays on screen is repeated.

    Where every frame keeps its own time, a slot is not what is seen but a sample, and the one frame next to its time
    is it: the `nearest`, if less than half a slot away, else the one on screen. The last slot then shows the last
    frame, so that what is shown after it is known.
    """
    frames = len(seconds)
    if frames == 0:
        raise ValueError("a timeline needs at least one timestamp")
    times = np.asarray(seconds, dtype=np.float64) - seconds[0]
    slots = max(1, round(duration * fps))
    if np.all(np.abs(times * fps - np.arange(frames)) < 0.5):
        # The last frame's duration is often unknown or rounded: less than a slot too many is no slot.
        length = frames if abs(duration * fps - frames) < 1 else max(frames, slots)
        return Timeline(np.minimum(np.arange(length, dtype=np.int64), frames - 1), fps)
    due = np.arange(slots) / fps
    shown = np.searchsorted(times, due + _TOLERANCE_SECONDS, side="right") - 1
    if nearest:
        shown = nearest_frames(times, due, 0.5 / fps)
        if abs(times[-1] - due[-1]) * fps < 1:
            shown[-1] = frames - 1
    return Timeline(shown.astype(np.int64), fps)


def nearest_frames(times: np.ndarray, due: np.ndarray, within: float) -> np.ndarray:
    """The frame of each time that is due: the nearest if it is `within`, else the one on screen. In any one unit.

    `times`: when frames appear, ascending. Returns int64 like `due`.
    """
    shown = np.maximum(np.searchsorted(times, due, side="right") - 1, 0)
    after = np.minimum(shown + 1, len(times) - 1)
    away = times[after] - due
    result: np.ndarray = np.where((away < due - times[shown]) & (away <= within * 1.001), after, shown)
    return result


def shown_slots(slots: int, length: int, extend: Extend = Extend.BOUNCE) -> np.ndarray:
    """The slot, of a timeline's `slots`, that each of the `length` frames of an output shows: int64 [length].

    The first pass shows all of them in their order, however the video is extended after it; slowed, some twice.
    """
    if slots < 1:
        raise ValueError("a video without frames cannot be made longer")
    if extend is Extend.SLOW:
        return _slowed(slots, length, length)
    if extend is Extend.BOUNCE:
        return ping_pong(slots, length)
    numbers = np.arange(length, dtype=np.int64)
    return numbers % slots if extend is Extend.LOOP else np.minimum(numbers, slots - 1)


def extended_slots(slots: int, length: int, extend: Extend) -> SlotsFor:
    """What an output of `length` frames shows of a timeline of so many `slots`, and would show if it went on."""
    if extend is Extend.SLOW and length > slots:
        return partial(_slowed, slots, length)
    # Where the video is long enough, how it would be extended must make no difference.
    return partial(shown_slots, slots, extend=Extend.BOUNCE if length <= slots else extend)


def _slowed(slots: int, length: int, count: int) -> np.ndarray:
    """The first `count` slots of an output of `length` frames that is slowed to be so long."""
    stretch = min(max(Fraction(length, slots), Fraction(1)), MOST_SLOWED)
    numbers = np.arange(count, dtype=np.int64)
    nearest = (2 * numbers * stretch.denominator + stretch.numerator - 1) // (2 * stretch.numerator)
    return ping_pong(slots, int(nearest[-1]) + 1 if count else 0)[nearest]


def jumps(shown: np.ndarray) -> np.ndarray:
    """Whether each frame but the first cuts to elsewhere, bool [frames - 1]; `shown`: the slots, see `shown_slots`.

    A loop cuts at each restart, unless it has no more than three slots. On a source's own clock two slots may be one
    frame apart: what is no further away goes on.
    """
    return np.abs(np.diff(shown)) > LARGEST_STEP


def ping_pong(frames: int, length: int) -> np.ndarray:
    """Indices (int64) of frames played there and back, `length` of them: 0..n-1, n-2..1, 0.. (released model §5)."""
    if frames < 1:
        raise ValueError("ping-pong needs at least one frame")
    if frames == 1:
        return np.zeros(length, dtype=np.int64)
    phase = np.arange(length, dtype=np.int64) % (2 * frames - 2)
    return np.minimum(phase, 2 * frames - 2 - phase)
