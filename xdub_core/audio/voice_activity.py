"""Where somebody speaks in a recording: by silero-vad where it is installed, else by the spectrum alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.energy_activity import FRAMES_PER_SECOND, active_frames, loud_level
from xdub_core.audio.recording import Recording

Span = tuple[float, float]
"""Seconds of a recording's time: from, to."""

BEFORE, AFTER = 0.12, 0.16
"""Seconds by which speech is taken to begin earlier and end later than it is heard: no first or last sound is lost."""
SHORTEST_SPEECH = 0.06
"""Seconds; what is shorter by itself is a click."""
SHORTEST_PAUSE = 0.3
"""Seconds; shorter ones are no silence: lips move on through them."""
BEGINS, GOES_ON = 0.5, 0.35
"""Probabilities at which silero-vad's speech begins and ends: its own defaults."""

_SILERO_SAMPLES = 512  # the only length of a block that it takes at 16 kHz
_SILERO_LEVEL = -25.0  # dBFS; it does not hear speech that is very quiet
_log = logging.getLogger(__name__)


def has_silero() -> bool:
    """Whether the package silero-vad is installed; its weights are in it."""
    return find_spec("silero_vad") is not None


def speech_spans(recording: Recording, silero: bool | None = None) -> tuple[Span, ...]:
    """Where somebody speaks, in order, without overlap and within the recording.

    `silero`: whether silero-vad decides; None: where it is installed. The recording is read in blocks.
    Raises ImportError where silero-vad is asked for and not there.
    """
    silero = has_silero() if silero is None else silero
    _log.info("%s: silence is told by %s", recording.name, "silero-vad" if silero else "the spectrum")
    find: Callable[[Recording], Iterable[Span]] = _silero_spans if silero else _energy_spans
    return _tidied(find(recording), recording.seconds)


def _energy_spans(recording: Recording) -> Iterator[Span]:
    return _runs(active_frames(recording), FRAMES_PER_SECOND)


def _silero_spans(recording: Recording) -> Iterator[Span]:
    louder = np.float32(10 ** (max(0.0, _SILERO_LEVEL - loud_level(recording)) / 20))
    model, speaks, speaking = _silero_model(), bytearray(), False
    model.reset_states()
    with torch.no_grad():
        for block in recording.blocks(_SILERO_SAMPLES):
            padded = np.pad(block, (0, _SILERO_SAMPLES - len(block))) * louder
            probability = float(model(torch.from_numpy(padded), SAMPLE_RATE))
            speaking = probability >= (GOES_ON if speaking else BEGINS)
            speaks.append(speaking)
    return _runs(np.frombuffer(speaks, bool), SAMPLE_RATE / _SILERO_SAMPLES)


@cache
def _silero_model() -> Any:
    threads = torch.get_num_threads()
    import silero_vad

    torch.set_num_threads(threads)  # importing it sets one thread for everybody
    return silero_vad.load_silero_vad()


def _runs(active: np.ndarray, per_second: float) -> Iterator[Span]:
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False))
    return ((start / per_second, stop / per_second) for start, stop in edges.reshape(-1, 2).tolist())


def _tidied(spans: Iterable[Span], seconds: float) -> tuple[Span, ...]:
    """Longer at both ends, without clicks and without pauses that are none, also at the recording's ends."""
    tidy: list[Span] = []
    for start, stop in spans:
        if stop - start < SHORTEST_SPEECH:
            continue
        start, stop = start - BEFORE, stop + AFTER
        start = 0.0 if start < SHORTEST_PAUSE else start
        stop = seconds if seconds - stop < SHORTEST_PAUSE else stop
        if tidy and start - tidy[-1][1] < SHORTEST_PAUSE:
            start = tidy.pop()[0]
        tidy.append((start, stop))
    return tuple(tidy)
