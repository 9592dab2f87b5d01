"""How long work reports itself, and how a host interrupts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Stage(str, Enum):
    """The stages of a dub; the value is what an artist reads."""

    FACES = "Finding the face"
    ENCODERS = "Loading encoders"
    AUDIO = "Listening"
    MODEL = "Loading model"
    CLIPS = "Dubbing"
    FRAMES = "Writing frames"

    __str__ = str.__str__


@dataclass(frozen=True)
class Progress:
    """Where some work stands: `done` of `total` units (frames, sampling steps of all clips, training steps).

    `stage`: a `Stage` of a dub, or the name of what is made or trained. A stage of a dub reports itself when it starts,
    with 0 done, so that its time is its own. `total` is None where nobody can tell how far it is: files that are being
    loaded. `losses`: those of the last training step, by name.
    """

    stage: str
    done: int
    total: int | None
    detail: str = ""
    losses: Mapping[str, float] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]
"""Called between frames and between steps. What it raises stops the work there."""


def ignore_progress(progress: Progress) -> None:
    """The callback of those who do not care."""
