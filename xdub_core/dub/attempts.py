"""The attempts at one clip: how often it is sampled, and which of them is shown."""

from __future__ import annotations

import logging
from typing import Generic, TypeVar

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipOutcome, ClipVerdict
from xdub_core.errors import NotFiniteError
from xdub_core.media.timeline import MODEL_FPS

_log = logging.getLogger(__name__)

Made = TypeVar("Made")


class Attempts(Generic[Made]):
    """Attempts at a clip until one passes, `retries` more than one at most; else the least bad is the best.

    What each of them failed by is logged. No more than two are held at a time.
    """

    def __init__(self, clip: Clip, retries: int) -> None:
        self._clip, self._retries = clip, retries
        self._verdicts: list[ClipVerdict] = []
        self._best: tuple[int, Made] | None = None
        self._error: NotFiniteError | None = None

    def next(self) -> int | None:
        """The number of the next attempt, from 0; None when there need not or must not be another."""
        done = len(self._verdicts)
        if done and (self._verdicts[-1].passed or done > self._retries):
            return None
        return done

    def add(self, verdict: ClipVerdict, made: Made) -> None:
        """Take an attempt and what was found of it."""
        number = len(self._verdicts)
        self._verdicts.append(verdict)
        if self._best is None or verdict.severity < self._verdicts[self._best[0]].severity:
            self._best = number, made
        if not verdict.passed:
            self._tell("; ".join(verdict.reasons))

    def failed(self, error: NotFiniteError) -> None:
        """Take an attempt of which nothing came."""
        self._error = error
        self._verdicts.append(NOT_FINITE)
        self._tell(NOT_FINITE.reasons[0])

    @property
    def verdict(self) -> ClipVerdict:
        """Of the newest attempt."""
        return self._verdicts[-1]

    @property
    def best(self) -> Made:
        """What is shown. Raises NotFiniteError where nothing came of any attempt."""
        if self._best is None:
            assert self._error is not None  # there was an attempt
            raise self._error
        return self._best[1]

    def outcome(self, seconds: float) -> ClipOutcome:
        """How it went. Raises what `best` does."""
        _ = self.best
        assert self._best is not None
        return ClipOutcome(self._best[0], tuple(self._verdicts), seconds)

    def _tell(self, reason: str) -> None:
        clip = self._clip
        where = f"clip {clip.number + 1} ({clip.start / MODEL_FPS:.2f} to {clip.stop / MODEL_FPS:.2f} s)"
        if len(self._verdicts) <= self._retries:
            then = "it is sampled again with other noise"
        elif self._best is not None:
            then = f"attempt {self._best[0] + 1} of {len(self._verdicts)} is the least bad, and kept"
        else:
            return  # what is raised tells it
        _log.warning("%s came out broken: %s; %s", where, reason, then)


NOT_FINITE = ClipVerdict(reasons=("NaN or infinite numbers",), severity=float("inf"))
