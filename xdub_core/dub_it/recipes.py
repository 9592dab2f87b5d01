"""How each layout's LoRA is sampled: by the code that it was published with."""

from __future__ import annotations

from dataclasses import dataclass

from .layouts import LTX_2_3, Layout

SCHEDULE = {"max_shift": 2.05, "base_shift": 0.95, "stretch": True, "terminal": 0.1}
"""LTX2Scheduler's, for core's LTXVScheduler, which without a latent counts 4096 tokens, as the release does."""


@dataclass(frozen=True)
class Recipe:
    """Sampling in one stage or two.

    `sigmas`: noise levels of the first stage, empty for `steps` of the schedule; `refine`: of the second, at twice the
    size. `guidance`: CFG in the first; the second has none. `own_refiner`: whether the second stage is another MODEL's,
    without the LoRA for dubbing. `refine_with_sound`: whether it gets the first one's sound as a reference.
    """

    steps: int
    guidance: float
    sigmas: tuple[float, ...]
    refine: tuple[float, ...]
    own_refiner: bool
    refine_with_sound: bool


RELEASE = Recipe(30, 3.0, (), (0.725, 0.421875, 0.0), own_refiner=True, refine_with_sound=False)
"""Of the authors' code for LTX-2 19B: ltx-2-19b-dev, then the distilled LoRA alone."""
DISTILLED = Recipe(
    8,
    1.0,
    (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0),
    (0.909375, 0.725, 0.421875, 0.0),
    own_refiner=False,
    refine_with_sound=True,
)
"""Of Lightricks' pipeline for LTX-2.3, distilled."""


def recipe_for(layout: Layout) -> Recipe:
    """The recipe of a layout."""
    return DISTILLED if layout == LTX_2_3 else RELEASE
