"""What is done with the time in which nobody speaks: the sound that is gated there, and shares of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.recording import Recording, recording_from_blocks
from xdub_core.audio.voice_activity import Span

GATE_SECONDS = 0.04
"""In which the sound fades before and after speech."""


def gated(recording: Recording, speech: Sequence[Span], spool_dir: str | Path | None = None) -> Recording:
    """The same recording with digital silence wherever nobody speaks; as it is, to the last bit, where somebody does.

    A file of its own: close both.
    """

    def blocks() -> Iterator[np.ndarray]:
        start = 0
        for block in recording.blocks():
            times = (start + np.arange(len(block))) / SAMPLE_RATE
            yield block * shares(times, speech, GATE_SECONDS)
            start += len(block)

    return recording_from_blocks(blocks(), recording.name, spool_dir)


def shares(times: np.ndarray, spans: Sequence[Span], fade: float) -> np.ndarray:
    """How far times (seconds, ascending) belong to spans: 1 in them, 0 from `fade` seconds off, smooth between.

    float32, shaped like `times`.
    """
    if not spans:
        return np.zeros(len(times), np.float32)
    starts, stops = np.array(spans, np.float64).T
    before = np.searchsorted(starts, times, side="right") - 1  # the span that began last
    since = np.where(before >= 0, times - stops[before], np.inf)
    until = np.where(
        before + 1 < len(starts), starts[np.minimum(before + 1, len(starts) - 1)] - times, np.inf
    )
    nearness = np.clip(1 - np.minimum(np.maximum(since, 0), until) / fade, 0, 1)
    return (nearness * nearness * (3 - 2 * nearness)).astype(np.float32)
