"""The source's own sound where nobody speaks: the model makes all of it anew, room and music too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from xdub_core.audio.voice_activity import AFTER, BEFORE, SHORTEST_PAUSE, Span

FADE = min(BEFORE, AFTER) - 0.02
"""Seconds in which one sound goes over into the other, within the ends of a span, where nobody is heard yet or any
more."""


def joined_spans(*spans: Iterable[Span]) -> tuple[Span, ...]:
    """The time in which any of them are, in order; over pauses that are none."""
    joined: list[Span] = []
    for start, stop in sorted(span for several in spans for span in several):
        if joined and start - joined[-1][1] < SHORTEST_PAUSE:
            start, before = joined.pop()
            stop = max(stop, before)
        joined.append((start, stop))
    return tuple(joined)


def kept_sound(made: np.ndarray, own: np.ndarray, speech: Sequence[Span], rate: int) -> np.ndarray:
    """`own` outside of speech, bit by bit, and `made` within it; all of them float32 [channels, samples].

    `speech`: as `speech_spans` finds it, in order and without overlap. Shares add up to 1, so that what both have alike
    stays as it is.
    """
    out = own.copy()
    for start, stop in speech:
        first, last = (min(max(0, round(edge * rate)), out.shape[1]) for edge in (start, stop))
        share = np.ones(last - first, np.float32)
        ramp = _ramp(min(round(FADE * rate), len(share) // 2))
        if first > 0:
            share[: len(ramp)] = ramp
        if last < out.shape[1]:
            share[len(share) - len(ramp) :] = ramp[::-1]
        out[:, first:last] += share * (made[:, first:last] - own[:, first:last])
        whole = first + np.flatnonzero(share == 1)
        out[:, whole] = made[:, whole]
    return out


def with_channels(sound: np.ndarray, channels: int) -> np.ndarray:
    """A sound [any, samples] in so many channels, float32: in the first two of more, in both of two, mixed to one.

    Of more than two channels, their mean is taken.
    """
    if channels == 1 or len(sound) > 2:
        sound = sound.mean(axis=0, keepdims=True)
    if channels == 1:
        return np.asarray(sound, np.float32)
    out = np.zeros((channels, sound.shape[1]), np.float32)
    out[:2] = sound
    return out


def _ramp(count: int) -> np.ndarray:
    way = (np.arange(count, dtype=np.float32) + 1) / (count + 1)
    return way * way * (3 - 2 * way)
