"""How a source is played in an output: which of its frames is shown when, and what the model sees of that.

At the model's rate the output's frames are the model's. On the source's own clock they are the source's, and each finds
its place among the model's frames, which are samples of what the output shows, 25 a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from xdub_core.media.timeline import (
    LARGEST_STEP,
    MODEL_FPS,
    MOST_SLOWED,
    Extend,
    FrameClock,
    Timeline,
    constant_clock,
    nearest_frames,
    shown_slots,
    timeline_from_timestamps,
)

STANDS = 0.2
"""Seconds: a face whose frames stay for longer does not seem to speak."""
_TIE = 1e-6  # frames: samples halfway between two frames all fall to the same side
_FINE = Fraction(1, 90_000)  # seconds; what codecs and containers all take
_HALF_SLOT = 0.5 / MODEL_FPS  # seconds
_STRETCH = 25  # model frames around a frame that decide whether crops are taken or interpolated there


@dataclass(frozen=True, eq=False)
class ShownFrames:
    """The frames of an output.

    `source_index`: int64 [n], the source's frame that each shows. `clock`: when. `lips` and `place`: float64 [n], in
    frames of the model: the instant whose mouth goes in, and that whose face box is this frame's, which may lie less
    than a frame past the last. Both are the same whole number where a frame takes a crop that was made of it.
    """

    source_index: np.ndarray
    clock: FrameClock
    lips: np.ndarray
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.source_index)


def at_model_rate(timeline: Timeline, slots: np.ndarray) -> ShownFrames:
    """An output of the model's own 25 frames a second, which shows these slots."""
    numbers = np.arange(len(slots), dtype=np.float64)
    clock = constant_clock(len(slots), int(MODEL_FPS))
    return ShownFrames(timeline.source_index[slots], clock, numbers, numbers)


@dataclass(frozen=True, eq=False)
class Playback:
    """A source on its own clock, and how it goes on where the output is longer.

    Attributes:
        clock: the source's.
        timeline: its slots of 25 a second, `nearest` to their times.
        extend: what comes after its end.
        end: seconds at which the output ends; None: with the source.
    """

    clock: FrameClock
    timeline: Timeline
    extend: Extend = Extend.BOUNCE
    end: Fraction | None = None

    def slots(self, frames: int) -> np.ndarray:
        """The slot that each of the first `frames` model frames shows, int64 [frames], however long the output is."""
        if self.stretch > 1:
            slowed = self._slowed
            inner = slowed.slots(frames)
            seconds = inner / (MODEL_FPS * float(self.stretch))
            return self._slots_of(slowed.timeline.source_index[inner], seconds, np.zeros(1, np.int64))[1:]
        once = np.arange(min(frames, len(self.timeline)), dtype=np.int64)
        if frames == len(once):
            return once
        source_index, clock = self._lasting(Fraction(frames + 1, int(MODEL_FPS)))._played()
        times = np.arange(len(once), frames) / MODEL_FPS
        frame = source_index[nearest_frames(clock.seconds, times, _HALF_SLOT)]
        return self._slots_of(frame, self._source_seconds(times), once)

    def shown(self, frames: int) -> ShownFrames:
        """The output's frames, where the model makes so many."""
        source_index, clock = (self._slowed if self.stretch > 1 else self)._played()
        # One more, for frames that lie past the last one made: the mouth stands, but the face moves on.
        made_of = self.timeline.source_index[self.slots(frames + 1)]
        lips, place = _places(source_index, clock.seconds, made_of)
        return ShownFrames(source_index, clock, np.minimum(lips, frames - 1), place)

    def warnings(self) -> list[str]:
        """What an artist should know before the work, in one line each."""
        told, clock = [], self.clock
        standing = float(np.diff(clock.ticks[:-1]).max(initial=0) * clock.time_base)
        if standing > STANDS:
            told.append(
                f"its picture stands still for up to {standing:.2f} s, and so do the lips: with --fps 25 they move on"
            )
        if self.extend is Extend.SLOW and self.end is not None and self.end > clock.end * MOST_SLOWED:
            told.append(
                f"it is slowed {float(MOST_SLOWED):g} times, and then played to and fro: the output lasts "
                f"{float(self.end / clock.end):.2f} times as long"
            )
        return told

    @property
    def stretch(self) -> Fraction:
        """How many times as long as the source's own its frames stay, where it is slowed; 1 where it is not."""
        if self.extend is not Extend.SLOW or self.end is None or not self._is_longer:
            return Fraction(1)
        return min(self.end / self.clock.end, MOST_SLOWED)

    @property
    def _slowed(self) -> Playback:
        """The source as if it had been filmed so slow; what is still lacking then is played to and fro."""
        seconds = self.clock.ticks * float(self.clock.time_base * self.stretch)
        ticks = np.rint(seconds / float(_FINE)).astype(np.int64)
        clock = FrameClock(ticks, _FINE, (self.clock.rate / self.stretch).limit_denominator(1001))
        timeline = timeline_from_timestamps(clock.seconds, float(clock.end), nearest=True)
        return Playback(clock, timeline, Extend.BOUNCE, self.end)

    def _slots_of(self, frame: np.ndarray, seconds: np.ndarray, before: np.ndarray) -> np.ndarray:
        """`before`, int64, and then a slot for each of these frames of the source at these times of it.

        Of the slots that show a frame it is the nearest; where none does, the nearest of all. Slots follow one another
        without a leap, which would be a cut (`jumps`), but for where the source begins again.
        """
        index = self.timeline.source_index
        first, after = (np.searchsorted(index, frame, side=side) for side in ("left", "right"))
        nearest = np.floor(seconds * MODEL_FPS + 0.5 - _TIE).astype(np.int64)
        wanted = np.where(first < after, np.clip(nearest, first, after - 1), nearest)
        wanted = np.minimum(wanted, len(index) - 1)
        again = np.diff(seconds, prepend=(len(before) - 1) / MODEL_FPS) < 0
        again &= self._extend is Extend.LOOP
        slots, last = [], int(before[-1])
        for slot, cut in zip(wanted.tolist(), again.tolist(), strict=True):
            last = slot if cut else min(max(slot, last - LARGEST_STEP), last + LARGEST_STEP)
            slots.append(last)
        return np.append(before, np.array(slots, dtype=np.int64))

    @property
    def _is_longer(self) -> bool:
        return self.end is not None and self.end > self.clock.end

    @property
    def _mirror(self) -> int:
        """The tick about which the source is played to and fro, and from which on its last frame stands."""
        last, end = (int(tick) for tick in self.clock.ticks[-2:])
        return max(last, end - self._typical)

    @property
    def _typical(self) -> int:
        """Ticks that a frame stays, mostly."""
        steps = np.diff(self.clock.ticks[:-1])
        return max(1, int(np.median(steps))) if len(steps) else 1

    @property
    def _extend(self) -> Extend:
        """What comes after the end. Where the output ends before, how it would be extended must make no difference."""
        return self.extend if self._is_longer else Extend.BOUNCE

    def _lasting(self, seconds: Fraction) -> Playback:
        """The same, for at least so long and longer than the source."""
        wanted = max(seconds, self.end or Fraction(0), self.clock.end + self.clock.time_base)
        return replace(self, extend=self._extend, end=wanted)

    def _source_seconds(self, seconds: np.ndarray) -> np.ndarray:
        """The source's time at times of the output."""
        unit, end = float(self.clock.time_base), float(self.clock.end)
        mirror = self._mirror * unit
        if self._extend is Extend.LOOP:
            return seconds % end
        if self._extend is Extend.HOLD or not mirror:
            return np.minimum(seconds, mirror)
        phase = seconds % (2 * mirror)
        return np.minimum(phase, 2 * mirror - phase)

    def _played(self) -> tuple[np.ndarray, FrameClock]:
        """The output's frames: the source's frame of each, and when it appears."""
        clock = self.clock
        is_picture = len(clock) == 1  # it stands as long as it may, but its face shall speak
        if not self._is_longer and not is_picture:
            return self._cut(np.arange(len(clock)), clock.ticks[:-1], int(clock.ticks[-1]))
        if clock.is_constant:
            whole, length = int(clock.ticks[-1]), self._stop
            shown = np.minimum(shown_slots(whole, length, self.extend), len(clock) - 1)
            return shown, constant_clock(length, clock.rate)
        return self._cut(*self._passes())

    @property
    def _stop(self) -> int:
        """The output's end in ticks, rounded up."""
        if self.end is None:
            return int(self.clock.ticks[-1])
        return max(1, -int(-self.end // self.clock.time_base))

    def _cut(self, source_index: np.ndarray, ticks: np.ndarray, end: int) -> tuple[np.ndarray, FrameClock]:
        """The frames that appear before the output's end, at least one."""
        time_base, rate = self.clock.time_base, self.clock.rate
        if self.end is not None:
            end = min(end, self._stop)
            count = max(1, int(np.searchsorted(ticks, end)))
            source_index, ticks = source_index[:count], ticks[:count]
        if not self.clock.is_constant:
            rate = (Fraction(len(ticks), end) / time_base).limit_denominator(1001)
        return source_index.astype(np.int64), FrameClock(np.append(ticks, end), time_base, rate)

    def _passes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """A source of no constant rate again and again, to its output's end: frames, their ticks, and the end."""
        own, stop = self.clock.ticks[:-1], self._stop
        numbers, mirror = np.arange(len(own)), self._mirror
        if self.extend is Extend.HOLD:
            step = max(1, min(self._typical, round(1 / (MODEL_FPS * self.clock.time_base))))
            more = np.arange(own[-1] + step, stop, step)
            return np.append(numbers, np.full(len(more), numbers[-1])), np.append(own, more), stop
        if self.extend is Extend.LOOP:
            period, once, ticks = int(self.clock.ticks[-1]), numbers, own
        else:  # there and back, each end once
            period = 2 * mirror
            once = np.append(numbers, numbers[-2:0:-1])
            ticks = np.append(own, period - own[-2:0:-1])
        passes = -(-stop // period)
        return (
            np.tile(once, passes),
            np.concatenate([ticks + number * period for number in range(passes)]),
            stop,
        )


def _places(
    source_index: np.ndarray, seconds: np.ndarray, made_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`lips` and `place` of output frames among the model's, whose crops are `made_of` these source frames."""
    pose, own = _poses(source_index, seconds, made_of)
    model = np.arange(len(made_of))
    due = np.clip(seconds * MODEL_FPS, 0, len(made_of) - 1)
    place = np.interp(seconds, pose, model.astype(np.float64))
    nearest = _nearest_of_each(own, due, len(source_index))
    taken = nearest >= 0
    # A crop is taken only where all frames around have one: elsewhere frames would show instants at uneven steps.
    missing = np.concatenate([[0], np.cumsum(~taken)])
    low = np.searchsorted(seconds, seconds - _STRETCH / MODEL_FPS)
    high = np.searchsorted(seconds, seconds + _STRETCH / MODEL_FPS, side="right")
    off = np.abs(nearest - due)
    whole = taken & (((missing[high] == missing[low]) & (off < 0.51)) | (off < _TIE))
    return np.where(whole, nearest, due), np.where(taken, nearest, place)


def _poses(
    source_index: np.ndarray, seconds: np.ndarray, made_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """When the output shows the picture that each model frame is made of, ascending, and which frame it is (-1: none).

    Several output frames may show it: the one that is nearest to the model frame's own time is meant, of those within
    a slot of it, and the one on screen then.
    """
    times = np.arange(len(made_of)) / MODEL_FPS
    on_screen = np.maximum(np.searchsorted(seconds, times + _TIE, side="right") - 1, 0)
    own = np.full(len(made_of), -1, dtype=np.int64)
    distance = np.full(len(made_of), np.inf)
    least = np.diff(seconds).min() if len(seconds) > 1 else 1.0
    reach = min(64, int(1 / (MODEL_FPS * max(least, 1e-4))) + 1)
    for offset in range(-reach, reach + 1):
        frame = np.clip(on_screen + offset, 0, len(seconds) - 1)
        away = np.abs(seconds[frame] - times)
        fits = (source_index[frame] == made_of) & (away < distance)
        fits &= (frame == on_screen) | (away <= 2 * _HALF_SLOT + _TIE)
        own, distance = np.where(fits, frame, own), np.where(fits, away, distance)
    pose = np.where(own >= 0, seconds[own], times)
    return np.maximum.accumulate(pose), own


def _nearest_of_each(own: np.ndarray, due: np.ndarray, frames: int) -> np.ndarray:
    """For each output frame the model frame made of it that is nearest in time, int64 [frames]; -1 where none is."""
    nearest = np.full(frames, -1, dtype=np.int64)
    model = np.flatnonzero(own >= 0)
    away = np.abs(model - due[own[model]])
    order = np.lexsort(
        (-model, -away, own[model])
    )  # the nearest of each frame comes last, and of two the earlier
    nearest[own[model][order]] = model[order]
    return nearest
