"""The clock of a source, for an output that keeps it: its frames' own times, or the constant rate that they round."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from xdub_core.media.timeline import MODEL_FPS, FrameClock
from xdub_core.media.video.frame_index import FrameIndex

_ROUNDING_SECONDS = 0.001  # Matroska's unit: a frame is written so far from its time at most
_FINE = Fraction(1, 90_000)  # seconds; what codecs and containers all take
_SLOWEST, _FASTEST = Fraction(5), Fraction(1000)  # frames a second that a single picture may state
_NTSC = Fraction(1000, 1001)


def source_clock(index: FrameIndex) -> FrameClock:
    """When a source's frames appear, the first at 0.

    A constant rate is found also where the container rounds times, as Matroska does to milliseconds: it is exact then
    (24000/1001), whatever the timestamps are. All other sources keep their timestamps. Frames that the file gives no
    time of their own share the time of those around them, so that every frame is shown.
    """
    rate = _constant_rate(index)
    if rate is not None:
        ticks = np.arange(len(index), dtype=np.int64)
        beyond = max(Fraction(1), Fraction(index.last_duration).limit_denominator(1_000_000) * rate)
        last = round(beyond) if beyond >= 2 else 1  # less than a frame too many is rounding, or unknown
        return FrameClock(np.append(ticks, len(index) - 1 + last), 1 / rate, rate)
    time_base = index.time_base if index.time_base <= Fraction(1, 1000) else _FINE
    ticks = np.rint((index.seconds - index.seconds[0]) / float(time_base)).astype(np.int64)
    ticks = np.append(ticks, ticks[-1] + max(1, round(index.last_duration / float(time_base))))
    if np.any(np.diff(ticks) <= 0):
        time_base, ticks = _FINE, _spread(index.seconds, index.last_duration)
    average = Fraction(len(index), int(ticks[-1])) / time_base
    return FrameClock(ticks, time_base, average.limit_denominator(1001))


def _constant_rate(index: FrameIndex) -> Fraction | None:
    """The rate at which all frames are where the index has them, but for rounding; None for none."""
    seconds = index.seconds - index.seconds[0]
    if len(seconds) == 1:
        stated = index.stated_rate
        fits = stated is not None and _SLOWEST <= stated <= _FASTEST
        return stated if fits else Fraction(int(MODEL_FPS))
    if seconds[-1] <= 0:
        return None
    numbers = np.arange(len(seconds))

    def error(rate: Fraction) -> float:
        return float(np.abs(seconds - numbers / float(rate)).max())

    told = [index.stated_rate] if index.stated_rate else []
    average = (len(seconds) - 1) / float(seconds[-1])
    usual = sorted(_usual(average), key=error)
    # Of a few frames several usual rates are true: the stated one is, if it is among those.
    likely = [
        *(rate for rate in told if rate in _usual(float(rate))),
        *usual,
        *told,
        *_of_equal_steps(index, seconds),
    ]
    return next((rate for rate in likely if error(rate) <= _ROUNDING_SECONDS * 1.01), None)


def _usual(average: float) -> list[Fraction]:
    """Whole, NTSC's and half rates next to an average."""
    near = [Fraction(round(average)), round(average / float(_NTSC)) * _NTSC, Fraction(round(2 * average), 2)]
    return [rate for rate in near if rate > 0]


def _of_equal_steps(index: FrameIndex, seconds: np.ndarray) -> list[Fraction]:
    """The rate of timestamps that are equally far apart."""
    steps = np.diff(np.rint(seconds / float(index.time_base)).astype(np.int64))
    return [1 / (int(steps[0]) * index.time_base)] if 0 < steps.min() == steps.max() else []


def _spread(seconds: np.ndarray, last_duration: float) -> np.ndarray:
    """Ticks [frames + 1] of 1/90000 s for times that stand still: those share the time up to the next."""
    times = np.append(seconds - seconds[0], 0.0)
    times[-1] = times[:-1].max() + max(last_duration, float(_FINE))
    ascending = np.maximum.accumulate(times)
    first = np.flatnonzero(np.diff(ascending, prepend=-1.0) > 0)  # of every run of equal times
    spread = np.interp(np.arange(len(times)), first, ascending[first])
    ticks = np.rint(spread / float(_FINE)).astype(np.int64)
    numbers = np.arange(len(ticks))
    return np.asarray(np.maximum.accumulate(ticks - numbers) + numbers)  # no two alike
