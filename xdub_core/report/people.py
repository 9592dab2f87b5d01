"""Whose lips were changed, where, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xdub_core.dub.scene import Scene, Speaker
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.report.model import ReportedPerson, Span

NO_FACE = "no face was found"
SILENT = "nothing is said"


@dataclass(frozen=True)
class Named:
    """What people call a speaker, and the recording that it speaks."""

    name: str
    recording: str


def span(start: int, stop: int, reason: str = "") -> Span:
    """Frames of the dub on the model's clock."""
    return Span(start, stop, round(start / MODEL_FPS, 3), round(stop / MODEL_FPS, 3), reason)


def reasons_of(speaker: Speaker, slots: np.ndarray, shots: Iterable[range]) -> np.ndarray:
    """For each frame of the dub why the speaker's face was left as it was, [frames] of str; empty: it was dubbed."""
    in_shot = np.zeros(len(slots), bool)
    for shot in shots:
        in_shot[shot.start : shot.stop] = True
    reasons = np.full(len(slots), "", object)
    if speaker.strength is not None:
        reasons[speaker.strength <= 0] = SILENT
    reasons[~(speaker.track.present[slots] & in_shot)] = NO_FACE
    return reasons


def spans_of(reasons: np.ndarray) -> tuple[Span, ...]:
    """The stretches over which a reason stays the same."""
    edges = [0, *(np.flatnonzero(reasons[1:] != reasons[:-1]) + 1).tolist(), len(reasons)]
    return tuple(span(start, stop, str(reasons[start])) for start, stop in pairwise(edges) if stop > start)


def untouched_by_all(reasons: Sequence[np.ndarray]) -> tuple[Span, ...]:
    """The stretches in which nobody was dubbed, with everybody's reasons."""
    together = np.full(len(reasons[0]), "", object)
    changes = sum((frames[1:] != frames[:-1] for frames in reasons), np.zeros(len(together) - 1, bool))
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(together)]
    for start, stop in pairwise(edges):
        told = dict.fromkeys(frames[start] for frames in reasons)
        together[start:stop] = "" if "" in told else "; ".join(told)
    return tuple(stretch for stretch in spans_of(together) if stretch.reason)


def reported_person(
    number: int, named: Named, scene: Scene, shots: Sequence[range], reasons: np.ndarray, picture: str
) -> ReportedPerson:
    """Speaker `number` (from 0) of a scene."""
    track = scene.speakers[number].track
    slots = scene.slots
    there = track.present[slots]
    boxes = track.boxes[slots[there]]
    spans = spans_of(reasons)
    return ReportedPerson(
        number=number + 1,
        name=named.name,
        recording=named.recording,
        picture=picture,
        shots=len(shots),
        mean_size=round(float((boxes[:, 2:] - boxes[:, :2]).mean())) if len(boxes) else 0,
        seconds_on_screen=round(int(there.sum()) / MODEL_FPS, 3),
        dubbed=tuple(stretch for stretch in spans if not stretch.reason),
        untouched=tuple(stretch for stretch in spans if stretch.reason),
    )
