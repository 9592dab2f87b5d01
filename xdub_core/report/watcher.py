"""Watches a dub while it is made, and tells in the end what became of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from xdub_core.dub.clip_record import ClipRecord
from xdub_core.dub.kept_clips import Plans
from xdub_core.dub.observer import DubObserver, middle_of
from xdub_core.dub.scene import Scene
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.progress import Progress, ProgressCallback
from xdub_core.report.lips import LipWatch, Openings, SyncCurve
from xdub_core.report.model import (
    Cost,
    PassedThrough,
    ReportedAttempt,
    ReportedClip,
    ReportedPerson,
    StageTime,
)
from xdub_core.report.people import Named, passed_through, reasons_of, reported_person, span
from xdub_core.report.pictures import face_picture
from xdub_core.report.words import checked, told_of_passed

PREPARING = "Preparing"
"""What comes before the first stage."""
MOST_PICTURES = 200
"""Clips with pictures, so that an hour's report stays small: of more, evenly chosen ones have some; and as many of
those that were sampled again."""


class DubWatcher(DubObserver):
    """Collects what a report tells of one dub.

    It goes to the dub as its observer; `timed` goes around the progress, and `pictured` around the frames.
    What it keeps hardly grows with the video's length: a note a clip and few pictures. Where no `report` is wanted it
    keeps nothing but what `notes` tells.
    """

    def __init__(self, report: bool = True, clock: Callable[[], float] = time.perf_counter) -> None:
        self._report = report
        self._every = 1
        self._clock = clock
        self._last = clock()
        self._stage: str = PREPARING
        self._seconds: dict[str, float] = {}
        self._records: list[ClipRecord] = []
        self._scene: Scene | None = None
        self._shots: list[list[range]] = []
        self._wanted: dict[int, list[int]] = {}
        self._pictures: dict[int, tuple[str, str]] = {}
        self._changed = bytearray()
        self._again: dict[int, tuple[str, str]] = {}
        self._openings: Openings | None = None
        self._lips: LipWatch | None = None
        self.warnings: list[str] = []

    def read_lips_by(self, detector: object) -> None:
        """Let a face detector that can tell cheaply how far mouths are open (`openings`) do so; before the dub."""
        self._openings = getattr(detector, "openings", None)

    def timed(self, on_progress: ProgressCallback) -> ProgressCallback:
        """The same, and the time between two calls is that of the later one's stage, but for a stage that begins."""

        def tell(progress: Progress) -> None:
            self._pass_time(self._stage if progress.done == 0 else progress.stage)
            self._stage = progress.stage
            on_progress(progress)

        return tell

    def planned(self, scene: Scene, plans: Plans) -> None:
        """What is going to be dubbed."""
        self._scene, self._shots = scene, [[shot.frames for shot in shots] for shots in plans]
        self._lips = LipWatch(scene, self._openings) if self._report else None

    def made(self, record: ClipRecord) -> None:
        """Note a clip; its pictures are taken when its frames come."""
        if not self._report:
            if record.outcome.attempt or not record.outcome.passed:
                self._records.append(record)
            return
        middle = middle_of(record.clip, self._shots[record.speaker][record.shot])
        self._wanted.setdefault(middle, []).append(len(self._records))
        self._records.append(record)

    def pictured(self, frames: Iterable[FinishedFrame]) -> Iterator[FinishedFrame]:
        """The same frames, of which pictures are taken."""
        assert self._scene is not None
        slots = self._scene.slots
        for place, frame in zip(self._scene.shown.place.tolist(), frames, strict=True):
            self._changed.append(bool(frame.changed))
            number = min(round(place), len(slots) - 1)  # of the model's frames, as the clips' are
            if self._lips is not None:
                self._lips.add(number, frame)
            for wanted in [wanted for wanted in self._wanted if wanted <= number]:
                for index in self._wanted.pop(wanted):
                    self._take_pictures(index, frame, slots[number])
            yield frame

    @contextmanager
    def listening(self, *hosts: str) -> Iterator[DubWatcher]:
        """Note the warnings that are logged meanwhile, each once: the engine's, and those of these loggers."""
        listener = _Listener(self.warnings)
        loggers = [logging.getLogger(name) for name in ("xdub_core", *hosts)]
        for logger in loggers:
            logger.addHandler(listener)
        try:
            yield self
        finally:
            for logger in loggers:
                logger.removeHandler(listener)

    @property
    def stages(self) -> tuple[StageTime, ...]:
        """What each part of the work took, in the order in which they began, until now."""
        self._pass_time(self._stage)
        return tuple(StageTime(name, round(seconds, 3)) for name, seconds in self._seconds.items())

    @property
    def clips(self) -> tuple[ReportedClip, ...]:
        """All clips, by number; `person` is the place of their speaker in the scene, from 1."""
        pictures = self._pictures | self._again
        found = [_reported(record, pictures.get(index)) for index, record in enumerate(self._records)]
        return tuple(sorted(found, key=lambda clip: clip.number))

    def numbered_clips(self, numbers: Sequence[int]) -> tuple[ReportedClip, ...]:
        """The same, `person` being these numbers of the scene's speakers."""
        return tuple(replace(clip, person=numbers[clip.person - 1]) for clip in self.clips)

    def sync(self, loudness: Sequence[np.ndarray], numbers: Sequence[int]) -> tuple[SyncCurve, ...]:
        """Everybody's lips against what they say; see `LipWatch.curves`."""
        return () if self._lips is None else self._lips.curves(loudness, numbers)

    @property
    def seconds(self) -> float:
        """How long the output is."""
        assert self._scene is not None
        return float(self._scene.shown.clock.end)

    @property
    def cost(self) -> Cost:
        assert self._scene is not None
        made = [(record.clip.frames, _reported(record)) for record in self._records]
        return Cost(
            frames_shown=self._scene.frames,
            frames_dubbed=sum(len(shot) for shots in self._shots for shot in shots),
            frames_sampled=sum(frames * clip.sampled for frames, clip in made),
            frames_kept=sum(frames for frames, clip in made if clip.kept),
        )

    def people(self, names: Sequence[Named]) -> tuple[tuple[ReportedPerson, ...], tuple[PassedThrough, ...]]:
        """Everybody who was dubbed, and where nobody was; `names` are the speakers', in their order."""
        assert self._scene is not None
        scene, slots = self._scene, self._scene.slots
        reasons = [
            reasons_of(speaker, slots, shots)
            for speaker, shots in zip(scene.speakers, self._shots, strict=True)
        ]
        people = tuple(
            reported_person(
                number, named, scene, self._shots[number], reasons[number], self._portrait(number)
            )
            for number, named in enumerate(names)
        )
        places = np.minimum(np.rint(scene.shown.place).astype(np.int64), len(slots) - 1)
        changed = np.frombuffer(bytes(self._changed), bool)
        return people, passed_through(changed, places[: len(changed)], reasons, scene.shown.clock)

    def notes(self) -> list[str]:
        """What somebody should know who does not read the report; nothing where all went as planned."""
        if self._scene is None:
            return []
        _, untouched = self.people([Named("", "")] * len(self._scene.speakers))
        told, kind = checked(self.clips)
        again = any(clip.sampled > 1 for clip in self.clips)
        passed = told_of_passed(untouched, self.seconds)
        return [line for line in (passed, told if kind == "bad" or again else "") if line]

    def _take_pictures(self, index: int, frame: FinishedFrame, slot: int) -> None:
        record = self._records[index]
        again = _reported(record).sampled > 1 and len(self._again) < MOST_PICTURES
        if not again and index % self._every:
            return
        assert self._scene is not None
        taken = _before_and_after(frame, self._scene.speakers[record.speaker].track.boxes[slot])
        if again:
            self._again[index] = taken
            return
        self._pictures[index] = taken
        if len(self._pictures) > MOST_PICTURES:
            self._every *= 2
            self._pictures = {i: pair for i, pair in self._pictures.items() if i % self._every == 0}

    def _pass_time(self, stage: str) -> None:
        now = self._clock()
        self._seconds[str(stage)] = self._seconds.get(str(stage), 0.0) + now - self._last
        self._last = now

    def _portrait(self, speaker: int) -> str:
        """The speaker as in the source: of the clip in which the face is largest."""
        pictures = self._pictures | self._again
        mine = [i for i in pictures if self._records[i].speaker == speaker]
        assert self._scene is not None
        boxes, slots = self._scene.speakers[speaker].track.boxes, self._scene.slots

        def size(index: int) -> float:
            box = boxes[slots[min(self._records[index].clip.new_start, len(slots) - 1)]]
            return float(box[2] - box[0])

        return pictures[max(mine, key=size)][0] if mine else ""


class _Listener(logging.Handler):
    """Keeps what warnings say."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        if (told := record.getMessage()) not in self._said:
            self._said.append(told)


def _before_and_after(frame: FinishedFrame, box: np.ndarray) -> tuple[str, str]:
    after = face_picture(frame.rgb, box)
    return face_picture(frame.source.rgb, box) if frame.source is not None else after, after


def _reported(record: ClipRecord, pictures: tuple[str, str] | None = None) -> ReportedClip:
    clip, outcome = record.clip, record.outcome
    before, after = pictures or ("", "")
    return ReportedClip(
        number=clip.number + 1,
        person=record.speaker + 1,
        shot=record.shot + 1,
        span=span(clip.start, clip.stop),
        seed=record.seed,
        redone=record.redone,
        shown_attempt=outcome.attempt + 1,
        attempts=tuple(
            ReportedAttempt(
                verdict.reasons, {name: _finite(value) for name, value in verdict.measures.items()}
            )
            for verdict in outcome.verdicts
        ),
        seconds=round(outcome.seconds, 3),
        kept=record.kept,
        before=before,
        after=after,
    )


def _finite(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return round(float(value), 6) if np.isfinite(value) else None
