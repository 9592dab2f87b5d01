"""What each speed costs in likeness: the built-in model dubs held-out heads, beside the dub that is exact.

    python benchmarks/speed_quality.py                          # 20 held-out heads: about 20 minutes on one core
    python benchmarks/speed_quality.py --cases 2 --speeds fast  # a look
    python benchmarks/speed_quality.py --first 10 --cases 10    # the second half, beside the first on another core
    python benchmarks/speed_quality.py --table                  # of what is measured already

Sampled as released: 30 Euler steps at shift 5, dynamic guidance of three predictions. Every dub is a line of
`FOLDER/measured.jsonl`; what is in there is not made again, so that it can be ended, or killed, and go on at any time
(with other steps or frames, in another folder). Columns:

predictions   of each clip of 13 frames
seconds       of CPU that sampling each takes, on this machine
crops dB      PSNR of the generated crops to those of the exact dub: mean over the cases, and the least
sync gap      share of the exact dub's sync, above the undubbed video's, that is kept
correlation   of the mouth's opening with the new speech's true one
mouth dB      PSNR at the mouth against the true dub; outside dB: elsewhere against the source
identity      likeness to the source's face
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.settings import DubSettings
from xdub_core.evaluation.held_out import dub_frames
from xdub_core.evaluation.measure import DubCase, measure
from xdub_core.evaluation.mini_cases import dub_cases
from xdub_core.evaluation.mini_judges import mini_judges
from xdub_core.evaluation.mini_report import MiniEvaluation
from xdub_core.evaluation.mouth import within_clip_correlation
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import Mini, load_mini
from xdub_core.sampling.clip_sampling import (
    ClipInputs,
    ClipSampler,
    SamplerSettings,
    StepCallback,
    attempt_seed,
    sample_clip,
)
from xdub_core.sampling.denoiser import LatentNeeds
from xdub_core.sampling.reuse import SPEEDS
from xdub_core.vae.protocol import VideoVAE

UNDUBBED, EXACT = "undubbed", "exact"

Sampling = Callable[["Watched", ClipInputs, StepCallback | None], Tensor]
"""Samples a clip with the settings of a `Watched`, and tells it how many predictions that takes."""


def by_the_engine(watched: Watched, clip: ClipInputs, on_step: StepCallback | None) -> Tensor:
    """A `Sampling`: the engine's own."""
    return sample_clip(watched.mini.model.denoiser, clip, watched.settings, on_step, watched.count)


@dataclass
class Watched:
    """A `DubbingModel` and its `ClipSampler`: the mini, keeping what it samples and counting what that takes."""

    mini: Mini
    sample: Sampling = by_the_engine
    latents: list[Tensor] = field(default_factory=list)
    predictions: int = 0
    seconds: float = 0.0
    settings: SamplerSettings = field(default_factory=SamplerSettings)

    @property
    def vae(self) -> VideoVAE:
        return self.mini.model.vae

    @property
    def device(self) -> torch.device | str:
        return self.mini.model.device

    @property
    def needs(self) -> LatentNeeds | None:
        return self.mini.model.needs

    @property
    def steps(self) -> int:
        return self.settings.steps

    def sampler(self, settings: SamplerSettings) -> ClipSampler:
        self.settings = settings
        return self

    def seed(self, number: int, attempt: int) -> int:  # noqa: ARG002
        return attempt_seed(self.settings.seed, attempt)

    def redone(self, number: int) -> int:  # noqa: ARG002
        return 0

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:  # noqa: ARG002
        began = time.process_time()
        made = self.sample(self, clip, on_step)
        self.seconds += time.process_time() - began
        self.latents.append(made)
        return made

    def count(self, sigma: float, predictions: int) -> None:  # noqa: ARG002
        self.predictions += predictions


@dataclass(frozen=True)
class Line:
    """A case dubbed at a speed. `crops`: PSNR in dB to the exact dub's, None for that one itself."""

    case: int
    speed: str
    predictions: float
    seconds: float
    crops: float | None
    sync: float
    mouth: float
    outside: float
    identity: float
    opening: list[float]
    true_opening: list[float]


def settings_at(mini: Mini, speed: str, steps: int) -> DubSettings:
    """As released, but at a speed. No clip is judged and sampled again: that would be another's noise."""
    sampler = SamplerSettings(steps, reuse=SPEEDS[speed])
    return replace(mini.card.settings, sampler=sampler, retries=0)


@torch.no_grad()
def crops_of(vae: VideoVAE, latents: Iterable[Tensor]) -> Tensor:
    """The frames of clips as the VAE shows them, whole, in 8 bits: [frames, height, width, 3]."""
    frames = torch.cat([vae.decode(each) for each in latents])
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8)


def likeness(crops: Tensor, exact: Tensor) -> float:
    """PSNR in dB of crops in 8 bits; 99 where they are equal."""
    off = (crops.double() - exact.double()).square().mean().item()
    return 10 * float(np.log10(255**2 / off)) if off else 99.0


def shortened(case: DubCase, frames: int) -> DubCase:
    """The first frames of a case."""
    of_frames = ("source", "truth", "mouth", "mask", "source_opening", "target_opening")
    cut = {name: getattr(case, name)[:frames] for name in of_frames}
    return replace(case, features=case.features[: 2 * frames], **cut)


def line_of(case: DubCase, number: int, speed: str, dubbed: Tensor, judges: Any, **taken: Any) -> Line:
    """The measures of a dub."""
    found = measure(case, dubbed, judges)
    return Line(
        case=number,
        speed=speed,
        sync=found.sync_confidence,
        mouth=found.mouth_psnr,
        outside=found.outside_psnr,
        identity=found.identity,
        opening=[round(float(each), 5) for each in found.opening],
        true_opening=[round(float(each), 5) for each in case.target_opening],
        **taken,
    )


@dataclass(frozen=True)
class Trial:
    """Dubs of held-out cases number `first` to `first` + `count`, whose measures go into `folder`."""

    folder: Path
    count: int = 20
    first: int = 0
    steps: int = 30
    frames: int = 29

    @property
    def file(self) -> Path:
        return self.folder / "measured.jsonl"

    def measured(self) -> list[Line]:
        """What is there already, of these cases."""
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []
        whole = [line for line in lines if line.endswith("}")]  # but for what a kill has cut off
        found = [Line(**json.loads(line)) for line in whole]
        return [line for line in found if self.first <= line.case < self.first + self.count]

    def run(self, speeds: Sequence[str]) -> None:
        """Dub and measure what is missing."""
        torch.set_num_threads(1)
        evaluation, mini, judges = prepared(self)
        for number in range(self.first, self.first + self.count):
            case = self.case(evaluation, number)
            done = {line.speed for line in self.measured() if line.case == number}
            if UNDUBBED not in done:
                nothing: dict[str, Any] = {"predictions": 0, "seconds": 0, "crops": None}
                self.add(line_of(case, number, UNDUBBED, case.source, judges, **nothing))
            for speed in dict.fromkeys((EXACT, *speeds)):
                if speed not in done:
                    line = dubbed_line(self, case, number, speed, mini, judges)
                    self.add(line)

    def case(self, evaluation: MiniEvaluation, number: int) -> DubCase:
        """The case of that number."""
        [whole] = dub_cases(evaluation.heads, evaluation.networks.phonemes, [number])
        return shortened(whole, self.frames)

    def exact(self, number: int) -> Path:
        """Where the crops of a case's exact dub are."""
        return self.folder / f"exact_{number}.npy"

    def add(self, line: Line) -> None:
        """Note what was measured, on a line of its own whatever was cut off before."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(asdict(line)) + "\n")


def prepared(trial: Trial) -> tuple[MiniEvaluation, Mini, Any]:
    """What makes the cases, what dubs them, and who judges."""
    evaluation = MiniEvaluation(BUILT_IN, trial.folder, trial.count, trial.first)
    return evaluation, load_mini(BUILT_IN), mini_judges(evaluation.networks)


def dubbed_line(
    trial: Trial,
    case: DubCase,
    number: int,
    speed: str,
    mini: Mini,
    judges: Any,
    sample: Sampling = by_the_engine,
) -> Line:
    """Dub a case at a speed, and measure it."""
    model = Watched(mini, sample)
    settings = settings_at(mini, speed, trial.steps)
    dubbed = dub_frames(case.source, TensorFeatures(case.features), model, settings)  # type: ignore[arg-type]
    crops, clips = crops_of(model.vae, model.latents), len(model.latents)
    if speed == EXACT and sample is by_the_engine:
        np.save(trial.exact(number), crops.numpy())
        close = None
    else:
        close = likeness(crops, torch.from_numpy(np.load(trial.exact(number))))
    taken = {"predictions": model.predictions / clips, "seconds": model.seconds / clips, "crops": close}
    return line_of(case, number, speed, dubbed, judges, **taken)


def table_of(lines: Sequence[Line], title: str) -> Table:
    """A row for each speed, over the cases that were dubbed at it, and whose exact dub is measured, too."""
    by_speed: dict[str, dict[int, Line]] = {}
    for line in lines:
        by_speed.setdefault(line.speed, {})[line.case] = line
    exact, undubbed = by_speed.get(EXACT, {}), by_speed.get(UNDUBBED, {})
    table = Table(title=title)
    table.add_column("")
    heads = ("cases", "predictions", "seconds", "crops dB (least)", "sync gap", "correlation", "mouth dB")
    for head in (*heads, "outside dB", "identity"):
        table.add_column(head, justify="right")
    for speed, found in by_speed.items():
        cases = sorted(found.keys() & exact.keys() & undubbed.keys())
        if cases:
            row, gap = [found[case] for case in cases], sync_kept(cases, found, exact, undubbed)
            table.add_row(speed, str(len(cases)), *cells(row, gap))
    return table


def sync_kept(
    cases: Sequence[int], found: Mapping[int, Line], exact: Mapping[int, Line], undubbed: Mapping[int, Line]
) -> float:
    """The share of the exact dubs' sync, above the undubbed videos', that is kept."""
    own, top, floor = (np.mean([rows[case].sync for case in cases]) for rows in (found, exact, undubbed))
    return float((own - floor) / (top - floor))


def cells(row: Sequence[Line], gap: float) -> list[str]:
    """The figures of one speed."""
    close = [line.crops for line in row if line.crops is not None]
    mouths = [(np.array(line.opening), np.array(line.true_opening)) for line in row]
    mouth, outside, identity = (
        np.mean([getattr(line, name) for line in row]) for name in ("mouth", "outside", "identity")
    )
    return [
        f"{np.mean([line.predictions for line in row]):.0f}",
        f"{np.median([line.seconds for line in row]):.2f}",
        f"{np.mean(close):.1f} ({min(close):.1f})" if close else "",
        f"{gap:.1%}",
        f"{within_clip_correlation(*zip(*mouths, strict=True)):.3f}",
        f"{mouth:.2f}",
        f"{outside:.2f}",
        f"{identity:.3f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--frames", type=int, default=29, help="of each case, 24 to 61")
    parser.add_argument("--speeds", nargs="*", default=list(SPEEDS), choices=list(SPEEDS))
    parser.add_argument(
        "--folder", type=Path, default=Path("speed_quality"), help="what is measured, and the heads"
    )
    parser.add_argument("--table", action="store_true", help="measure nothing, show what is there")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    trial = Trial(chosen.folder, chosen.cases, chosen.first, chosen.steps, chosen.frames)
    if not chosen.table:
        trial.run(chosen.speeds)
    Console(width=140).print(table_of(trial.measured(), f"{chosen.steps} steps, {chosen.frames} frames"))


if __name__ == "__main__":
    main()
