"""The mini on held-out heads: everything that `evaluate mini` reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import TensorFeatures
from xdub_core.audio.recording import SAMPLE_RATE
from xdub_core.dub.model import DubModel
from xdub_core.dub.settings import DubSettings
from xdub_core.evaluation.behaviour import (
    Drift,
    Swap,
    measure_drift,
    measure_silence,
    measure_swap,
    same_twice,
)
from xdub_core.evaluation.held_out import Method, engine_method, evaluate
from xdub_core.evaluation.measure import DubCase
from xdub_core.evaluation.mini_cases import dub_cases
from xdub_core.evaluation.mini_judges import mini_judges
from xdub_core.evaluation.mouth import SilenceTest
from xdub_core.evaluation.report import PLAIN, Report
from xdub_core.heads.dataset import HeadsConfig, TalkingHeads
from xdub_core.mini.card import load_card
from xdub_core.mini.loading import ExpertName, Mini, load_mini
from xdub_core.mini.network_files import MiniNetworks, load_networks
from xdub_core.mini.phonemes import waveform_features
from xdub_core.mini.vae import MiniVAE
from xdub_core.model.dit_file import load_dit
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.pairs import Redubber, RedubSettings, SpeechFeatures

MINI, GENERATOR = "xdub-mini", "mask-based generator"
_EDITORS: dict[str, tuple[ExpertName, ...]] = {
    "editor with both experts": ("lip", "texture"),
    "editor without experts": (),
    "editor with the lip expert": ("lip",),
    "editor with the texture expert": ("texture",),
}
_BEHAVIOUR_CASES = 8
_DRIFT_CASES = 3


@dataclass(frozen=True)
class Behaviour:
    """What came of the trials of `behaviour`."""

    silence: SilenceTest
    swaps: Sequence[Swap]
    drifts: Sequence[Drift]
    repeats: bool

    def text(self) -> str:
        """A line for each."""
        mouth, outside = (
            float(np.mean([getattr(swap, name) for swap in self.swaps])) for name in ("mouth", "outside")
        )
        start, end = (
            float(np.mean([getattr(drift, name) for drift in self.drifts])) for name in ("first", "last")
        )
        lost = [drift.decibels for drift in self.drifts]
        return "\n".join(
            (
                f"silence: the mouth moves {self.silence.deviation:.2f} and opens {self.silence.opening:.2f} of what "
                "it does under speech",
                f"other speech, same video: the dubs agree to {mouth:.1f} dB at the mouth, {outside:.1f} dB elsewhere",
                f"drift in {len(lost)} long dubs: {start:.1f} dB outside the mouth in the first seconds, {end:.1f} dB "
                f"in the last, which show and say the same (lost: {', '.join(f'{each:+.1f}' for each in lost)} dB); "
                f"the mouth's colour moves by {max(drift.tint for drift in self.drifts):.1f} of 255 at most",
                f"same seed, same dub: {'yes' if self.repeats else 'NO'}",
            )
        )


@dataclass(frozen=True)
class MiniEvaluation:
    """Held-out dubs number `first` to `first` + `count` of the mini in `folder`; `cache` keeps the drawn heads."""

    folder: Path
    cache: Path
    count: int = 40
    first: int = 0
    on_progress: ProgressCallback = ignore_progress
    steps: int | None = None

    @cached_property
    def networks(self) -> MiniNetworks:
        return load_networks(self.folder)

    @cached_property
    def heads(self) -> TalkingHeads:
        config = HeadsConfig(size=load_card(self.folder).crop)
        return TalkingHeads(
            "held-out", length=self.first + self.count, config=config, cache=self.cache / "clips"
        )

    @cached_property
    def cases(self) -> list[DubCase]:
        return dub_cases(self.heads, self.networks.phonemes, range(self.first, self.first + self.count))

    def settings(self, mini: Mini) -> DubSettings:
        """The mini's own, with this evaluation's steps."""
        own = mini.card.settings
        return own if self.steps is None else replace(own, sampler=replace(own.sampler, steps=self.steps))

    def report(self) -> Report:
        """The mini between its floor and its ceiling."""
        mini = load_mini(self.folder)
        return self._evaluate({MINI: engine_method(mini.model, self.settings(mini))})

    def ablations(self, generator: Path, variants: Mapping[str, DubModel]) -> Report:
        """The mini with and without its experts, the `generator` that its pairs came from, and other `variants`."""
        methods: dict[str, Method] = {}
        for name, experts in _EDITORS.items():
            mini = load_mini(self.folder, experts=experts)
            methods[name] = engine_method(mini.model, self.settings(mini))
        methods[GENERATOR] = self.generator_method(generator)
        for name, model in variants.items():
            methods[name] = engine_method(model, self.settings(mini))
        return self._evaluate(methods)

    def _evaluate(self, methods: Mapping[str, Method]) -> Report:
        judges, vae = mini_judges(self.networks), MiniVAE(self.networks.vae)
        return evaluate(self.cases, judges, vae, methods, self.on_progress)

    def generator_method(self, path: Path) -> Method:
        """Dubbing with a mask-based generator, its masks the true ones."""
        mini = load_mini(self.folder, experts=())
        sampler = replace(self.settings(mini).sampler, border=0)
        settings = RedubSettings(segment=mini.card.geometry, sampler=sampler)
        dit = load_dit(path)
        context = torch.zeros(1, 1, dit.config.text_dim)
        redubber = Redubber(dit, context, MiniVAE(self.networks.vae), settings)

        def dub(case: DubCase) -> Tensor:
            speech = [SpeechFeatures(TensorFeatures(case.features))]
            frames = redubber.redub(case.source[None].float() / 255, case.mask[None].float(), speech)[0]
            return (frames.clamp(0, 1) * 255).round().to(torch.uint8)

        return dub

    def behaviour(self, seconds: float = 60.0) -> Behaviour:
        """Silence, other speech, long videos, the same seed twice."""
        mini = load_mini(self.folder)
        settings, finder = self.settings(mini), self.networks.landmarks
        cases = self.cases[:_BEHAVIOUR_CASES]
        plain = [case for case in self.cases if case.kind == PLAIN] or self.cases
        others = [*cases[1:], cases[0]]
        return Behaviour(
            silence=measure_silence(cases, self.silence(mini), finder, mini.model, settings),
            swaps=[
                measure_swap(case, other.features, mini.model, settings)
                for case, other in zip(cases, others, strict=True)
            ],
            drifts=[measure_drift(case, mini.model, settings, seconds) for case in plain[:_DRIFT_CASES]],
            repeats=same_twice(plain[0], mini.model, settings),
        )

    def silence(self, mini: Mini) -> Tensor:
        """The features of a clip's length of real silence, [2 F, width]."""
        frames = self.heads.config.frames
        still = np.zeros(SAMPLE_RATE * frames // 25, dtype=np.float32)
        return waveform_features(still, mini.phonemes).tensor
