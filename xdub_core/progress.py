"""How long work reports itself, and how a host interrupts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """The stages of a dub; the value is what an artist reads."""

    FACES = "Finding the face"
    ENCODERS = "Loading encoders"
    AUDIO = "Listening"
    MODEL = "Loading model"
    CLIPS = "Dubbing"
    FRAMES = "Writing frames"


@dataclass(frozen=True)
class Progress:
    """Where a stage stands: `done` of `total` units (frames, or sampling steps of all clips).

    A stage reports itself when it starts, with 0 done, so that its time is its own. `total` is None where nobody can
    tell how far it is: files that are being loaded.
    """

    stage: Stage
    done: int
    total: int | None
    detail: str = ""


ProgressCallback = Callable[[Progress], None]
"""Called between frames and between sampling steps. What it raises stops the work there."""


def ignore_progress(progress: Progress) -> None:
    """The callback of those who do not care."""
