"""Distilled minis beside their teachers, on held-out dubs: what a few predictions are worth. Needs espeak-ng.

    python benchmarks/few_steps.py --cases 12 --student out/few-steps/shipped-2 [--student ...] [--cache FOLDER]

Rows: the released model's guidance with 30 steps (the exact run) and with 2; the mini as its card says, with 30 steps
and with 2; without guidance in 2 steps and in 1; each student as its card says. Columns: predictions of a clip, CPU
seconds of a dub of 61 frames, Sync-C, correlation of the mouth's opening with the speech's, PSNR at the mouth against
the true dub, PSNR outside of it against the source, identity, and PSNR at the mouth against the exact run's dub.
`--without-exact` leaves out the slow first row, and the last column's numbers with it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from xdub_core.dub.settings import DubSettings
from xdub_core.evaluation.held_out import engine_method
from xdub_core.evaluation.measure import DubCase, measure
from xdub_core.evaluation.mini_judges import mini_judges
from xdub_core.evaluation.mini_report import MiniEvaluation
from xdub_core.evaluation.mouth import within_clip_correlation
from xdub_core.evaluation.pictures import psnr
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import Mini, load_mini
from xdub_core.sampling.guidance import UNGUIDED, Guidance

EXACT = "released guidance, 30 steps"
COLUMNS = (
    "predictions",
    "CPU s",
    "Sync-C",
    "correlation",
    "mouth dB",
    "outside dB",
    "identity",
    "to exact dB",
)

Row = tuple[Mini, DubSettings]


def rows(students: list[Path], exact: bool) -> Mapping[str, Row]:
    """Who dubs, by name."""
    mini = load_mini()

    def own(**changes: object) -> Row:
        return mini, replace(settings_of(mini), sampler=replace(mini.card.sampler, **changes))

    released = {"guidance": Guidance(), "shift": 5.0}
    found = {EXACT: own(steps=30, **released)} if exact else {}
    found |= {
        "released guidance, 2 steps": own(steps=2, **released),
        "the card's, 30 steps": own(steps=30),
        "the card's 4 steps": own(),
        "the card's, 2 steps": own(steps=2),
        "no guidance, 2 steps": own(steps=2, guidance=UNGUIDED, shift=5.0),
        "no guidance, 1 step": own(steps=1, guidance=UNGUIDED),
    }
    for path in students:
        student = load_mini(path)
        found[f"student {path.parent.name}/{path.name}"] = student, settings_of(student)
    return found


def settings_of(mini: Mini) -> DubSettings:
    """A mini's own, without second attempts: every row has the same noise."""
    return replace(mini.card.settings, retries=0)


def predictions(settings: DubSettings) -> int:
    """How many predictions a clip takes."""
    weights = (settings.sampler.guidance.weights(sigma) for sigma in settings.sampler.sigmas[:-1].tolist())
    return sum(weight != 0 for each in weights for weight in each)


def measured(
    case: DubCase, dub: Callable[[DubCase], torch.Tensor], judges: object
) -> tuple[list[float], torch.Tensor]:
    """A row's columns for one case, but the first and the last; and the dub."""
    began = time.process_time()
    frames = dub(case)
    seconds = time.process_time() - began
    found = measure(case, frames, judges)
    correlation = within_clip_correlation([found.opening], [case.target_opening])
    values = [
        seconds,
        found.sync_confidence,
        correlation,
        found.mouth_psnr,
        found.outside_psnr,
        found.identity,
    ]
    return values, frames


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--student", type=Path, action="append", default=[])
    parser.add_argument("--cache", type=Path, default=Path("out/evaluation"))
    parser.add_argument("--without-exact", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    evaluation = MiniEvaluation(BUILT_IN, options.cache, options.cases)
    judges, chosen = mini_judges(evaluation.networks), rows(options.student, not options.without_exact)
    table: dict[str, list[list[float]]] = {name: [] for name in chosen}
    for case in evaluation.cases:
        exact = None
        for name, (mini, settings) in chosen.items():
            values, frames = measured(case, engine_method(mini.model, settings), judges)
            exact = frames if name == EXACT else exact
            closeness = np.nan if exact is None else psnr(frames, exact, case.mouth)
            table[name].append([*values, closeness])
    print("| |", *(f" {column} |" for column in COLUMNS), sep="")
    print("| --- |", " ---: |" * len(COLUMNS), sep="")
    for name, values in table.items():
        means = " | ".join(f"{value:.3g}" for value in np.mean(values, axis=0))
        print(f"| {name} | {predictions(chosen[name][1])} | {means} |")


if __name__ == "__main__":
    main()
