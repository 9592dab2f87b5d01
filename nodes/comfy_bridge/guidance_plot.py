"""What the Guidance panel shows: the scales at every noise level, and at those that the sampler really visits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from xdub_core.dub.clip_record import ClipRecord
from xdub_core.report.guidance import ExpertBand, GuidanceWatch, ReportedGuidance
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.guidance_steps import GuidanceAt, guidance_at, guidance_line
from xdub_core.sampling.reuse import EXACT, Reuse, predictions_planned

from .expert import experts_of
from .host.events import LiveRecord, Record, current_listener
from .model.guidance_patches import is_patched

EVENT = "xdub.guidance"
OUTPUT = "xdub_guidance"
"""Of the node's ui: a list with the record of each execution."""


def guidance_record(
    guidance: Guidance, sigmas: Sequence[float] = (), model: Any = None, reuse: Reuse = EXACT
) -> Record:
    """The record of a guidance, and of a MODEL's experts.

    line      [noise level, reference scale, audio scale, predictions] from noise level 1 to 0
    steps     the same at each level that the sampler asks for, in its order; the predictions are those that are made
    used      whether these are the levels of a clip that was sampled; else of the sampler's schedule
    window    [start, end] of the guidance
    experts   name, strength, and the noise levels lowest and highest of each
    patched   whether patches of the model change the guidance on the way
    """
    return {
        "line": _rows(guidance_line(guidance)),
        "steps": _rows(guidance_at(guidance, sigmas, predictions_planned(guidance, reuse, sigmas))),
        "used": False,
        "window": [guidance.start, guidance.end],
        "experts": [asdict(band) for band in _bands(model)],
        "patched": model is not None and is_patched(model.model_options),
    }


def shown_guidance(guidance: Guidance) -> dict[str, list[Any]]:
    """For the ui of a node that makes a guidance."""
    return {OUTPUT: [guidance_record(guidance)]}


class GuidanceUsed(GuidanceWatch):
    """Notes the noise levels at which the model is asked for the first clip that is sampled, and shows the guidance.

    `sigmas`: the sampler's schedule, [steps + 1], the last of which ends it; `reuse`: which predictions need not be
    made.
    """

    def __init__(self, guidance: Guidance, sigmas: Tensor, model: Any, reuse: Reuse = EXACT) -> None:
        levels = sigmas[:-1].tolist()
        super().__init__(guidance, levels, reuse)
        self._bands = _bands(model)
        self._live = LiveRecord(EVENT, current_listener())
        self._live.change(guidance_record(guidance, levels, model, reuse), at_once=True)

    @property
    def output(self) -> dict[str, list[Any]]:
        """For the node's ui."""
        return {OUTPUT: [self._live.whole]}

    def made(self, record: ClipRecord) -> None:
        shown = self.used
        super().made(record)
        if self.used and not shown:
            self._live.change({"steps": _rows(self.steps), "used": True}, at_once=True)

    @property
    def told(self) -> ReportedGuidance:
        """For a report."""
        return self.reported(self._bands)


def _bands(model: Any) -> tuple[ExpertBand, ...]:
    """The experts of a MODEL."""
    experts = () if model is None else experts_of(model)
    return tuple(ExpertBand(each.name, each.strength, each.lowest, each.highest) for each in experts)


def _rows(scales: Iterable[GuidanceAt]) -> list[list[float]]:
    return [
        [round(each.sigma, 5), round(each.reference, 4), round(each.audio, 4), each.predictions]
        for each in scales
    ]
