"""A video of any length in segments that LTX-2 can make at once, which lie over one another in pauses of the speech.

Segments begin at multiples of 8 frames and have 8 k + 1 of them, as LTX-2's VAE wants; the last ends with the video.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from xdub_core.errors import SettingsError

from .times import FRAMES_PER_LATENT, check_frames, padded_frames

Span = tuple[float, float]
"""Seconds: from, to."""

OVERLAP_SECONDS = Fraction(1, 4)
"""Least time in which two segments are faded into one another."""
SHORTEST = 4 * FRAMES_PER_LATENT + 1
"""Frames of a segment beside others."""


@dataclass(frozen=True)
class Segment:
    """Frames `start` to `stop` (exclusive) of the source, which are made at once."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        """Of the source."""
        return self.stop - self.start

    @property
    def padded(self) -> int:
        """Frames that LTX-2 makes for it: 8 k + 1. What is more than `frames` is left out again."""
        return padded_frames(self.frames)


def plan_segments(
    frames: int, fps: Fraction, speech: Sequence[Span] = (), longest: int = 121
) -> tuple[Segment, ...]:
    """The segments of a video, in order, each beginning within the one before.

    `speech`: where somebody speaks, in order. As few overlaps as can be lie in it; of those plans the one with fewest
    segments is taken, of those the one whose overlaps are farthest from speech, and of those the most even one.
    `longest`: frames of a segment at most, 8 k + 1. Raises MediaError for a video that is too short, SettingsError for
    a `longest` that cannot be.
    """
    check_frames(frames)
    overlap = overlap_frames(fps)
    least = max(SHORTEST, 2 * overlap)
    if longest < 2 * least or longest % FRAMES_PER_LATENT != 1:
        raise SettingsError(
            f"segments of {longest} frames cannot be: take 8 k + 1, such as 97, 121 or 241, and {2 * least} at least"
        )
    if frames <= longest:
        return (Segment(0, frames),)
    starts = _best_starts(frames, fps, speech, longest, least)
    stops = [*(start + overlap for start in starts[1:]), frames]
    return tuple(map(Segment, starts, stops))


def overlap_frames(fps: Fraction) -> int:
    """Frames that neighbours have in common: 8 k + 1."""
    return max(1, math.ceil(OVERLAP_SECONDS * fps / FRAMES_PER_LATENT)) * FRAMES_PER_LATENT + 1


def _best_starts(frames: int, fps: Fraction, speech: Sequence[Span], longest: int, least: int) -> list[int]:
    """Where segments begin, by dynamic programming over every eighth frame: cost and way of the best plan from each."""
    overlap = overlap_frames(fps)
    best: dict[int, tuple[tuple[int, int, float, int], int]] = {}
    for start in range((frames - 1) // FRAMES_PER_LATENT * FRAMES_PER_LATENT, -1, -FRAMES_PER_LATENT):
        if least <= frames - start <= longest:
            best[start] = (0, 1, 0.0, (frames - start) ** 2), 0
            continue
        ways = []
        nearest = start + -(-(least - overlap) // FRAMES_PER_LATENT) * FRAMES_PER_LATENT
        for following in range(nearest, start + longest - overlap + 1, FRAMES_PER_LATENT):
            if following in best:
                distance = silence_around((following + overlap / 2) / float(fps), speech)
                spoken, count, far, uneven = best[following][0]
                far -= min(max(distance, 0.0), 1.0)
                uneven += (following + overlap - start) ** 2
                ways.append(((spoken + (distance <= 0), count + 1, far, uneven), following))
        if ways:
            best[start] = min(ways)
    starts = [0]
    while best[starts[-1]][1]:
        starts.append(best[starts[-1]][1])
    return starts


def silence_around(second: float, speech: Sequence[Span]) -> float:
    """Seconds from a time to the nearest speech; negative within it, infinite where there is none."""
    number = bisect_right(speech, (second, math.inf)) - 1  # the span that began last
    since = second - speech[number][1] if number >= 0 else math.inf
    until = speech[number + 1][0] - second if number + 1 < len(speech) else math.inf
    return min(since, until)


def speech_seconds(segments: Sequence[Segment], fps: Fraction, speech: Sequence[Span]) -> tuple[float, ...]:
    """Seconds of speech in each segment, where an overlap is shared at its middle."""
    middles = [(before.stop + after.start) / 2 for before, after in pairwise(segments)]
    edges = [float(edge / fps) for edge in map(Fraction, (segments[0].start, *middles, segments[-1].stop))]
    return tuple(
        sum(max(0.0, min(stop, last) - max(start, first)) for start, stop in speech)
        for first, last in pairwise(edges)
    )
