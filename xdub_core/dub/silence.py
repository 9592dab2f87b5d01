"""What lips do while their speaker is silent."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import numpy as np

from xdub_core.audio.recording import Recording
from xdub_core.audio.silence import gated, shares
from xdub_core.audio.voice_activity import Span, speech_spans
from xdub_core.media.timeline import MODEL_FPS

FADE = 0.2
"""Seconds in which the source's own lips are faded in, after speech, and out again before it."""
SHORTEST_SHOWN = 1.0
"""Seconds; in shorter pauses the source's lips are not shown, which would flicker."""


class Silence(str, Enum):
    """What lips do while their speaker is silent.

    CLOSED: the model hears digital silence there, whatever the recording has (noise, breath, others), and closes them.
    SOURCE: they are the source's own. MODEL: what the model makes of what it hears.
    """

    CLOSED = "closed"
    SOURCE = "source"
    MODEL = "model"


def heard_with(
    silence: Silence, recording: Recording, frames: int, spool_dir: str | Path | None = None
) -> tuple[Recording, np.ndarray | None]:
    """What the model shall hear of a recording, and the speaker's strength (`Speaker.strength`) in so many frames.

    The recording that is given back is the given one or another: close both.
    """
    if silence is Silence.MODEL:
        return recording, None
    speech = speech_spans(recording)
    if silence is Silence.CLOSED:
        if speech == ((0.0, recording.seconds),):  # it never pauses
            return recording, None
        return gated(recording, speech, spool_dir), None
    return recording, strength_in_speech(speech, frames)


def strength_in_speech(speech: Sequence[Span], frames: int) -> np.ndarray:
    """1 while somebody speaks and 0 in pauses, with fades in the pauses: float32 [frames]."""
    joined: list[Span] = []
    for start, stop in speech:
        if joined and start - joined[-1][1] < SHORTEST_SHOWN:
            start = joined.pop()[0]
        joined.append((start, stop))
    return shares(np.arange(frames) / MODEL_FPS, joined, FADE)
