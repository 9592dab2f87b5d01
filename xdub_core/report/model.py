"""A report of a dub as data; its JSON has the same names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from xdub_core.report.guidance import ReportedGuidance
from xdub_core.report.lips import SyncCurve

FORMAT = 2
"""Of the JSON: grows when a name changes its meaning or goes away, not when one joins."""

Fact = str | int | float | bool | None
Facts = Mapping[str, Fact]
"""Facts by name; units stand in the name."""


@dataclass(frozen=True)
class ReportedFile:
    """A file that went in or came out. `role`: what it is in the dub; `path`: as it was given."""

    role: str
    path: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """Frames [start_frame, stop_frame) of the dub on the model's clock, and when they are shown.

    `reason`: why they were left as they were; empty where they were dubbed.
    """

    start_frame: int
    stop_frame: int
    start_seconds: float
    stop_seconds: float
    reason: str = ""

    @property
    def frames(self) -> int:
        return self.stop_frame - self.start_frame


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """Frames of the output, counted from 0, that are the source's own from edge to edge, when, and why."""

    first_frame: int
    frames: int
    start_seconds: float
    stop_seconds: float
    reason: str


@dataclass(frozen=True)
class ReportedPerson:
    """Somebody whose lips were changed.

    Attributes:
        number: from 1, as `people` shows them.
        name: what people call them.
        recording: what they say.
        picture: a data URI of the face; empty where there is none.
        shots: how many shots the face is in.
        mean_size: mean side of the face's box in pixels of the video.
        seconds_on_screen: for how long the face is there.
        dubbed: where it was dubbed.
        untouched: where it was left as it was, and why; also where it is not there at all.
    """

    number: int
    name: str
    recording: str
    picture: str
    shots: int
    mean_size: int
    seconds_on_screen: float
    dubbed: tuple[Span, ...]
    untouched: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class ReportedAttempt:
    """One sampling of a clip: what the self-check measured, and what it found wrong, in words."""

    reasons: tuple[str, ...] = ()
    measures: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedClip:
    """A clip and how it came about.

    Attributes:
        number: from 1 over the whole dub.
        person: whose it is.
        shot: of that person's shots, from 1.
        span: its frames, those included that repeat the clip before, or run past the shot's end.
        seed: of the noise that what is shown was sampled from.
        shown_attempt: which attempt is shown, from 1; each has noise of its own.
        attempts: what the self-check said of each; empty where nothing was checked.
        seconds: what sampling took.
        kept: whether it was taken from an earlier run and not sampled.
        redone: how often it has been sampled anew because somebody asked for it, with other noise each time.
        before, after: data URIs of one face in it, as it came and as it went; empty where none was taken.
    """

    number: int
    person: int
    shot: int
    span: Span
    seed: int
    shown_attempt: int
    attempts: tuple[ReportedAttempt, ...]
    seconds: float
    kept: bool = False
    redone: int = 0
    before: str = ""
    after: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether what is shown passed the self-check; None where nothing was checked."""
        return not self.attempts[self.shown_attempt - 1].reasons if self.attempts else None

    @property
    def sampled(self) -> int:
        """How often it was sampled in this run."""
        return 0 if self.kept else max(len(self.attempts), self.shown_attempt)


@dataclass(frozen=True)
class StageTime:
    """What a part of the work took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What the model had to do.

    `frames_shown`: of the output, on the model's clock; `frames_dubbed`: how many faces were changed in them, over all
    people; `frames_sampled`: how many the model made, attempts included that are not shown; `frames_kept`: those of
    clips that were taken from an earlier run.
    """

    frames_shown: int
    frames_dubbed: int
    frames_sampled: int
    frames_kept: int = 0

    @property
    def sampled_per_dubbed(self) -> float:
        """Frames made for each frame that shows them; 1 is the least."""
        made = self.frames_sampled + self.frames_kept
        return made / self.frames_dubbed if self.frames_dubbed else 0.0


@dataclass(frozen=True)
class Report:
    """What became of a dub.

    Attributes:
        made_by: program and version.
        name: of the output.
        files: what went in and what came out.
        settings: every option, by group.
        chosen: those of them that differ from what they are by default.
        model: facts of the model.
        environment: of the machine and the packages.
        frame_rate: of the model's clock, by which the frames of spans are counted.
        seconds: how long the output is.
        people, clips, cost, stages, sync, guidance: see there.
        untouched: where nobody was dubbed, and why.
        warnings: what was logged on the way.
    """

    made_by: str
    name: str
    files: tuple[ReportedFile, ...]
    settings: Mapping[str, Facts]
    chosen: Facts
    model: Facts
    environment: Facts
    frame_rate: float
    seconds: float
    people: tuple[ReportedPerson, ...]
    clips: tuple[ReportedClip, ...]
    untouched: tuple[PassedThrough, ...]
    warnings: tuple[str, ...]
    stages: tuple[StageTime, ...]
    cost: Cost
    sync: tuple[SyncCurve, ...] = ()
    guidance: ReportedGuidance | None = None
    format: int = FORMAT

    @property
    def failed_clips(self) -> tuple[ReportedClip, ...]:
        """Those that no attempt made pass the self-check."""
        return tuple(clip for clip in self.clips if clip.passed is False)

    @property
    def resampled_clips(self) -> tuple[ReportedClip, ...]:
        """Those that took more than one attempt."""
        return tuple(clip for clip in self.clips if clip.sampled > 1)


def report_json(report: Report) -> Iterator[str]:
    """The report as JSON, with what its parts work out of themselves; piece by piece, since an hour's may be long."""
    yield from json.JSONEncoder(indent=1, ensure_ascii=False, allow_nan=False, default=_told).iterencode(
        report
    )
    yield "\n"


def _told(part: Any) -> dict[str, Any]:
    """What JSON says of a part of a report."""
    told = {field.name: getattr(part, field.name) for field in fields(part)}
    if isinstance(part, ReportedClip):
        told["passed"] = part.passed
    if isinstance(part, Cost):
        told["sampled_per_dubbed"] = round(part.sampled_per_dubbed, 4)
    return told
