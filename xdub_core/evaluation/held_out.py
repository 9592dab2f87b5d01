"""Held-out cases dubbed by the whole engine, as a user would dub them, and measured between floor and ceiling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures, TensorFeatures
from xdub_core.dub.model import DubModel
from xdub_core.dub.pipeline import dub
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.dub.settings import DubSettings
from xdub_core.evaluation.judges import Judges
from xdub_core.evaluation.measure import DubCase, Measures, measure, through_vae
from xdub_core.evaluation.report import CEILING, FLOOR, VAE_CEILING, Report, make_report
from xdub_core.face.boxes import WholeFrame
from xdub_core.face.track import track_faces
from xdub_core.media.timeline import Timeline
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.vae.protocol import VideoVAE

Method = Callable[[DubCase], Tensor]
"""A way to dub: a case to its dub, uint8 shaped like `case.source`."""


@dataclass(frozen=True)
class FramesInMemory:
    """A `FrameSource` of frames that are there already: uint8 [F, H, W, 3]."""

    pictures: np.ndarray

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The frames asked for, in that order."""
        for index in indices:
            yield self.pictures[index]


def dub_frames(
    frames: Tensor, features: AudioFeatures, model: DubModel, settings: DubSettings, length: int | None = None
) -> Tensor:
    """Dub a video that is a face crop already, uint8 [F, S, S, 3], into one of `length` frames (None: as many)."""
    pictures = frames.numpy()
    speaker = Speaker(track_faces(iter(pictures), WholeFrame()), features)
    timeline = Timeline(np.arange(len(pictures)))
    scene = Scene(FramesInMemory(pictures), timeline, (speaker,), length or len(pictures))
    return torch.from_numpy(np.stack([frame.rgb for frame in dub(scene, model, settings)]))


def engine_method(model: DubModel, settings: DubSettings) -> Method:
    """Dubbing with the engine, paste-back included."""
    return lambda case: dub_frames(case.source, TensorFeatures(case.features), model, settings)


def evaluate(
    cases: Sequence[DubCase],
    judges: Judges,
    vae: VideoVAE,
    methods: Mapping[str, Method],
    on_progress: ProgressCallback = ignore_progress,
) -> Report:
    """Measure every method on every case, beside the undubbed video and the true dub, plain and through `vae`."""
    yardsticks: dict[str, Method] = {
        FLOOR: lambda case: case.source,
        CEILING: lambda case: case.truth,
        VAE_CEILING: lambda case: through_vae(vae, case.truth),
    }
    measured: dict[str, Sequence[Measures | None]] = {}
    for name, method in (yardsticks | dict(methods)).items():
        row: list[Measures | None] = []
        for case in cases:
            row.append(measure(case, method(case), judges))
            on_progress(Progress(name, len(row), len(cases)))
        measured[name] = row
    return make_report(cases, measured)
