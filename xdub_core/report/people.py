"""Whose lips were changed, where, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xdub_core.dub.scene import Scene, Speaker
from xdub_core.face.presence import Reason
from xdub_core.media.timeline import MODEL_FPS, FrameClock
from xdub_core.report.model import PassedThrough, ReportedPerson, Span

NO_FACE = Reason.NOT_FOUND.told
_ABSENT = np.array([NO_FACE if reason is Reason.THERE else reason.told for reason in Reason], object)
"""What is said of an absent face, by its `Reason`."""
SILENT = "nothing is said"
BETWEEN = "between two shots, and like neither"
"""Above 25 fps, of a frame between two of the model's."""


@dataclass(frozen=True)
class Named:
    """What people call a speaker, the recording that it speaks, and its number among the people of the video."""

    name: str
    recording: str
    number: int = 1


def span(start: int, stop: int, reason: str = "") -> Span:
    """Frames of the dub on the model's clock."""
    return Span(start, stop, round(start / MODEL_FPS, 3), round(stop / MODEL_FPS, 3), reason)


def reasons_of(speaker: Speaker, slots: np.ndarray, shots: Iterable[range]) -> np.ndarray:
    """For each frame of the dub why the speaker's face was left as it was, [frames] of str; empty: it was dubbed."""
    in_shot = np.zeros(len(slots), bool)
    for shot in shots:
        in_shot[shot.start : shot.stop] = True
    reasons = np.full(len(slots), "", object)
    track = speaker.track
    there = track.present[slots]
    absent = ~(there & in_shot)
    reasons[absent] = NO_FACE if track.reasons is None else _ABSENT[track.reasons[slots][absent]]
    if speaker.strength is not None:
        reasons[there & (speaker.strength <= 0)] = SILENT
    return reasons


def spans_of(reasons: np.ndarray) -> tuple[Span, ...]:
    """The stretches over which a reason stays the same."""
    edges = [0, *(np.flatnonzero(reasons[1:] != reasons[:-1]) + 1).tolist(), len(reasons)]
    return tuple(span(start, stop, str(reasons[start])) for start, stop in pairwise(edges) if stop > start)


def passed_through(
    changed: np.ndarray, places: np.ndarray, reasons: Sequence[np.ndarray], clock: FrameClock
) -> tuple[PassedThrough, ...]:
    """The stretches of the output in which nothing was changed.

    `changed`: bool [n], of each frame of the output whether something was; `places`: int [n], the model's frame there;
    `reasons`: of each speaker, see `reasons_of`; `clock`: the output's.
    """
    together = np.full(len(reasons[0]), "", object)
    edges = np.flatnonzero(
        sum((frames[1:] != frames[:-1] for frames in reasons), np.zeros(len(together) - 1, bool))
    )
    for start, stop in pairwise([0, *(edges + 1).tolist(), len(together)]):
        together[start:stop] = "; ".join(filter(None, dict.fromkeys(frames[start] for frames in reasons)))
    ticks, found = clock.ticks * float(clock.time_base), list[PassedThrough]()
    for start, stop in _stretches(changed):
        told = together[places[start:stop]]
        known = np.flatnonzero(told != "")
        if len(known):  # a frame between two of the model's may belong to the other one
            told = told[known[np.clip(np.searchsorted(known, np.arange(len(told))), 0, len(known) - 1)]]
        else:
            told[:] = BETWEEN
        for each in spans_of(told):
            first, last = start + each.start_frame, start + each.stop_frame
            seconds = round(float(ticks[first]), 3), round(float(ticks[last]), 3)
            found.append(PassedThrough(first, last - first, *seconds, each.reason))
    return tuple(found)


def _stretches(changed: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where nothing was changed: (first frame, the one after the last)."""
    edges = np.flatnonzero(np.diff(changed.astype(np.int8), prepend=1, append=1))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def reported_person(
    place: int, named: Named, scene: Scene, shots: Sequence[range], reasons: np.ndarray, picture: str
) -> ReportedPerson:
    """Speaker `place` (from 0) of a scene."""
    track = scene.speakers[place].track
    slots = scene.slots
    there = track.present[slots]
    seen = there if track.reasons is None else track.reasons[slots] != Reason.NOT_FOUND
    boxes = track.boxes[slots[there]]
    spans = spans_of(reasons)
    return ReportedPerson(
        number=named.number,
        name=named.name,
        recording=named.recording,
        picture=picture,
        shots=len(shots),
        mean_size=round(float((boxes[:, 2:] - boxes[:, :2]).mean())) if len(boxes) else 0,
        seconds_on_screen=round(int(seen.sum()) / MODEL_FPS, 3),
        dubbed=tuple(stretch for stretch in spans if not stretch.reason),
        untouched=tuple(stretch for stretch in spans if stretch.reason),
    )
