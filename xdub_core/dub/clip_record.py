"""What became of each clip of a dub, told when its frames are final: for a report, for a host, for whoever watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xdub_core.dub.clip_plan import Clip


@dataclass(frozen=True)
class ClipVerdict:
    """What the self-check found of one attempt at a clip.

    `measures`: figures by name; `reasons`: what is wrong with the clip, in plain words, one each; none: it passed.
    `severity`: how far off the worst figure is, in times of what passes.
    """

    measures: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    severity: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class ClipOutcome:
    """How a clip came about.

    `attempt`: the one that is shown, counted from 0; `verdicts`: of every attempt, in order, empty where nothing was
    judged; `seconds`: what sampling all of them took.
    """

    attempt: int
    verdicts: tuple[ClipVerdict, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether what is shown passed; also where nothing was judged."""
        return self.verdict is None or self.verdict.passed

    @property
    def verdict(self) -> ClipVerdict | None:
        """Of what is shown; None where it was not judged."""
        return self.verdicts[self.attempt] if self.verdicts else None


@dataclass(frozen=True)
class ClipRecord:
    """A clip, whose it is, and how it came about.

    `speaker`: the place of its speaker in the scene, from 0; `shot`: of that speaker's shots, from 0; `seed`: of the
    noise of what is shown, whichever attempt it was (`sampling.clip_sampling.attempt_seed`); `kept`: it was sampled in
    an earlier run, and taken from there; `redone`: how often somebody has had it sampled anew, with other noise each
    time.
    """

    speaker: int
    shot: int
    clip: Clip
    seed: int
    outcome: ClipOutcome
    kept: bool = False
    redone: int = 0
