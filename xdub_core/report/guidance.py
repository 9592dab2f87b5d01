"""Guidance as a dub really used it: at which noise levels the model was asked, and how many predictions that took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipRecord
from xdub_core.dub.observer import DubObserver
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.guidance_steps import GuidanceAt, guidance_at, guidance_line
from xdub_core.sampling.reuse import EXACT, Reuse, predictions_planned


@dataclass(frozen=True)
class ExpertBand:
    """An expert, and the noise levels at which it acts."""

    name: str
    strength: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class ReportedGuidance:
    """The scales over the noise, and what following them took.

    Attributes:
        line: from noise level 1 to 0.
        steps: at each level that a sampler asks for, in its order; the predictions are those that are made.
        used: whether these are the levels of a clip that was sampled; else of the sampler's schedule.
        window: (start, end) of the guidance.
        predictions: that were made in the whole dub, attempts included that are not shown; None where nobody counted.
        predictions_exact: that the same steps take where none is reused.
        experts: of the model.
    """

    line: tuple[GuidanceAt, ...]
    steps: tuple[GuidanceAt, ...]
    used: bool
    window: tuple[float, float]
    predictions: int | None = None
    predictions_exact: int | None = None
    experts: tuple[ExpertBand, ...] = ()


class GuidanceWatch(DubObserver):
    """Notes the noise levels at which the model is asked for the first clip that is sampled, and counts predictions.

    `sigmas`: of the sampler's schedule, one a step; `reuse`: which predictions need not be made.
    """

    def __init__(self, guidance: Guidance, sigmas: Sequence[float], reuse: Reuse = EXACT) -> None:
        self.guidance = guidance
        self.steps = guidance_at(guidance, sigmas, predictions_planned(guidance, reuse, sigmas))
        self.used = False
        self._asked = list[tuple[float, int]]()
        self._made = self._exact = 0

    def predicted(self, sigma: float, predictions: int) -> None:
        """The sampler asks for this noise level, and so many predictions are made there."""
        self._made += predictions
        self._exact += sum(predictions_planned(self.guidance, EXACT, [sigma]))
        if not self.used:
            self._asked.append((sigma, predictions))

    def begins(self, clip: Clip, attempt: int, seed: int) -> None:  # noqa: ARG002
        self._asked.clear()

    def made(self, record: ClipRecord) -> None:  # noqa: ARG002
        if self._asked and not self.used:
            sigmas, made = zip(*self._asked, strict=True)
            self.steps, self.used = guidance_at(self.guidance, sigmas, made), True

    def reported(self, experts: Sequence[ExpertBand] = ()) -> ReportedGuidance:
        """What a report tells of it."""
        return ReportedGuidance(
            line=guidance_line(self.guidance),
            steps=self.steps,
            used=self.used,
            window=(self.guidance.start, self.guidance.end),
            predictions=self._made or None,
            predictions_exact=self._exact or None,
            experts=tuple(experts),
        )
