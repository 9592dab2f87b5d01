"""What a dub must not do: drift in a long video, move in silence, change where nothing is said, differ by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.model import DubModel
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.evaluation.held_out import dub_frames
from xdub_core.evaluation.judges import LandmarkFinder
from xdub_core.evaluation.measure import DubCase
from xdub_core.evaluation.mouth import SilenceTest, silence_test
from xdub_core.evaluation.pictures import psnr
from xdub_core.media.timeline import MODEL_FPS, ping_pong

SPAN = 10.0
"""Seconds at either end of a long dub that are compared."""


@dataclass(frozen=True)
class Drift:
    """How a long dub's last seconds differ from its first, which show and say the same.

    `first`, `last`: PSNR in dB against the source, outside the mouth. The paste-back leaves alone what differs too
    little to be seen, so it tells of visible changes only. `tint`: how far the mouth's mean colour has moved, in grey
    levels of 255 of the channel that moved most, the source's own movement taken off; 0 without drift.
    """

    first: float
    last: float
    tint: float

    @property
    def decibels(self) -> float:
        """What is lost on the way."""
        return self.first - self.last


def check_drift(seconds: float) -> None:
    """Raise SettingsError where a dub is too short to have two ends."""
    if seconds < 2 * SPAN:
        raise SettingsError(f"the drift over {SPAN:g} s at both ends needs {2 * SPAN:g} s, not {seconds:g}")


def measure_drift(case: DubCase, model: DubModel, settings: DubSettings, seconds: float = 60.0) -> Drift:
    """Dub a case's video, played to and fro for `seconds` or a little more, and compare the ends.

    The speech begins anew with every turn of the video, and both ends are whole turns (`SPAN` seconds or a little
    less): otherwise they would differ in what they show and say, and so in how well any dub of them does.
    """
    check_drift(seconds)
    turn = max(1, 2 * len(case.source) - 2)
    turns, span = math.ceil(seconds * MODEL_FPS / turn), turn * max(1, int(SPAN * MODEL_FPS / turn))
    spoken = case.features.repeat(2, 1)[: 2 * turn].repeat(turns, 1)
    length = turn * turns
    dubbed = dub_frames(case.source, TensorFeatures(spoken), model, settings, length)
    shown = ping_pong(len(case.source), length)
    return drift_between(dubbed, case.source[shown], case.mouth[shown].bool(), span)


def drift_between(dubbed: Tensor, source: Tensor, mouth: Tensor, span: int) -> Drift:
    """The drift of a long dub from its `source`, both uint8 [F, H, W, 3], over `span` frames at either end.

    `mouth`: bool [F, H, W].
    """
    ends = (slice(span), slice(-span, None))
    first, last = (psnr(dubbed[end], source[end], ~mouth[end]) for end in ends)
    before, after = (
        dubbed[end][mouth[end]].double().mean(0) - source[end][mouth[end]].double().mean(0) for end in ends
    )
    return Drift(first, last, float((after - before).abs().max()))


def dub_with(case: DubCase, features: Tensor, model: DubModel, settings: DubSettings) -> Tensor:
    """The case's video dubbed with other features [2 F, width]."""
    return dub_frames(case.source, TensorFeatures(features), model, settings)


@dataclass(frozen=True)
class Swap:
    """How two dubs of one video with two recordings differ: PSNR in dB between them at the mouth and elsewhere."""

    mouth: float
    outside: float


def measure_swap(case: DubCase, other: Tensor, model: DubModel, settings: DubSettings) -> Swap:
    """Dub a case with its own features and with `other` features [2 F, width]."""
    own = dub_with(case, case.features, model, settings)
    swapped = dub_with(case, other, model, settings)
    return Swap(psnr(own, swapped, case.mouth), psnr(own, swapped, ~case.mouth))


def measure_silence(
    cases: Sequence[DubCase], silence: Tensor, finder: LandmarkFinder, model: DubModel, settings: DubSettings
) -> SilenceTest:
    """How far the mouths of cases dubbed with silence (features [2 F or more, width]) still open and move."""
    silent: list[np.ndarray] = []
    speaking: list[np.ndarray] = []
    for case in cases:
        for features, openings in ((silence[: len(case.features)], silent), (case.features, speaking)):
            dubbed = dub_with(case, features, model, settings)
            openings.append(np.asarray(finder.find(list(dubbed.numpy())).openness))
    return silence_test(silent, speaking)


def same_twice(case: DubCase, model: DubModel, settings: DubSettings) -> bool:
    """Whether a seed gives the same dub twice, bit by bit."""
    first, second = (dub_with(case, case.features, model, settings) for _ in range(2))
    return torch.equal(first, second)
