"""Segments joined into one video and one sound: faded into one another where they overlap, every frame once.

Shares add up to 1, so that what both segments have alike stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
from torch import Tensor

from .segments import Segment
from .times import samples


def joined_frames(segments: Sequence[Segment], made: Iterable[Tensor]) -> Iterator[Tensor]:
    """The whole video's frames [height, width, channels], in order.

    `made`: each segment's frames [n, height, width, channels], n being its own number or more; taken when needed, so
    that one segment and an overlap are in memory.
    """
    tail: Tensor | None = None
    for number, (segment, frames) in enumerate(zip(segments, made, strict=True)):
        last = number + 1 == len(segments)
        until = segment.frames if last else segments[number + 1].start - segment.start
        common = 0 if tail is None else len(tail)
        for index in range(common if tail is not None else 0):
            share = (index + 1) / (common + 1)
            yield (1 - share) * tail[index] + share * frames[index]  # type: ignore[index]
        yield from frames[common:until]
        tail = None if last else frames[until : segment.frames].clone()


def joined_sound(
    segments: Sequence[Segment], made: Iterable[np.ndarray], fps: Fraction, rate: int
) -> np.ndarray:
    """The whole video's sound [channels, samples] at `rate`, float32, exactly as long as its frames.

    `made`: each segment's sound [channels, samples], which begins with its first frame. One that is a little too short,
    as a vocoder makes it, fades into silence; a longer one is cut.
    """
    total = samples(segments[-1].stop, fps, rate)
    out: np.ndarray | None = None
    for number, (segment, sound) in enumerate(zip(segments, made, strict=True)):
        if out is None:
            out = np.zeros((len(sound), total), np.float32)
        start, stop = samples(segment.start, fps, rate), samples(segment.stop, fps, rate)
        part = sound[:, : stop - start].astype(np.float32)
        if part.shape[1] < stop - start:
            part[:, -_fade(rate) :] *= np.linspace(1, 0, _fade(rate), dtype=np.float32)[-part.shape[1] :]
        if number:
            part = part * _rise(segments[number - 1], segment, start, part.shape[1], fps, rate)
        if number + 1 < len(segments):
            part = part * (1 - _rise(segment, segments[number + 1], start, part.shape[1], fps, rate))
        out[:, start : start + part.shape[1]] += part
    assert out is not None
    return out


def _fade(rate: int) -> int:
    """Samples of a fade that is no click and is not heard as one: 10 ms."""
    return rate // 100


def _rise(before: Segment, after: Segment, start: int, count: int, fps: Fraction, rate: int) -> np.ndarray:
    """The later segment's share of each of `count` samples from number `start` on.

    It rises in the middle half of the overlap, since sound may end some hundredths of a second before its frames.
    """
    common = Fraction(before.stop - after.start)
    first, last = (
        float((after.start + common * part) / fps * rate) for part in (Fraction(1, 4), Fraction(3, 4))
    )
    way = np.clip((start + np.arange(count) - first) / (last - first), 0, 1)
    return (way * way * (3 - 2 * way)).astype(np.float32)
