"""Out-of-distribution detection: is it a rendered head? On a real face the mini paints stains and moves no lips.

A logistic regression over the landmark finder's pooled features (nine averages of each map of the coarse layer of both
networks, which were trained on rendered heads alone). It was fitted once (`benchmarks/head_likeness.py`); its weights
are in `likeness.safetensors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xdub_core.dub.scene import FrameSource
from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack
from xdub_core.media.timeline import Timeline
from xdub_core.mini.face_landmarks import LandmarkFinder
from xdub_core.mini.network_files import load_network
from xdub_core.weights.tensor_file import open_tensors

LIKENESS = "likeness.safetensors"
FRAMES = 8
"""A handful of crops is enough: what a video shows seldom changes its nature."""
STRETCH = 250
"""Frames of the timeline, from the face's first one on, that `likeness_of_track` takes its frames from."""
THRESHOLD = -1.0
"""What scores less is no rendered head. Logits; see the card for how the kinds of pictures lie about it."""


@dataclass(frozen=True)
class Likeness:
    """How like a rendered head some crops are; `score` is a logit: far above 0 for rendered heads, else far below."""

    score: float

    @property
    def is_rendered_head(self) -> bool:
        """Whether the score reaches the threshold."""
        return self.score >= THRESHOLD

    def warning(self, name: str, remedy: str) -> str:
        """One line for whoever dubs this with the mini. `name`: of the video; `remedy`: what to use instead."""
        return (
            f"{name}: this looks like no rendered head (likeness {self.score:.1f}; rendered heads have {THRESHOLD:g} "
            f"or more), and the built-in model knows nothing else: expect stains and no speech; {remedy}"
        )


@dataclass(frozen=True)
class HeadLikeness:
    """Judges crops. `weights` float32 [features], `bias`: of the logistic regression over `finder.features`."""

    finder: LandmarkFinder
    weights: np.ndarray
    bias: float

    def __call__(self, crops: Sequence[np.ndarray]) -> Likeness:
        """The middle one of the crops' scores.

        `crops`: square face crops [S, S, 3] as the model gets them, uint8, uint16, or float in 0..1; at most `FRAMES`
        of them, evenly spread, are looked at. Raises ValueError where there are none.
        """
        if not len(crops):
            raise ValueError("there are no crops to judge")
        chosen = np.unique(np.linspace(0, len(crops) - 1, min(FRAMES, len(crops))).round().astype(int))
        seen = self.finder.features([_as_integers(crops[number]) for number in chosen])
        return Likeness(float(np.median(seen @ self.weights + self.bias)))


def load_likeness(folder: Path) -> HeadLikeness:
    """The judge in a mini's folder. Raises MissingModelError or CheckpointError where it is not whole."""
    path = folder / LIKENESS
    if not path.is_file():
        raise MissingModelError(f"xdub-mini lacks {path}: get the folder whole")
    try:
        file = open_tensors(path)
        weights, bias = file.read("weights").numpy(), float(file.read("bias")[0])
    except (CheckpointError, IndexError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error.__cause__ or error}): get the folder whole"
        ) from None
    finder = LandmarkFinder(load_network("landmarks_far", folder), load_network("landmarks_near", folder))
    return HeadLikeness(finder, weights, bias)


def likeness_of_track(
    judge: HeadLikeness, source: FrameSource, timeline: Timeline, track: FaceTrack, size: int
) -> Likeness:
    """The likeness of a tracked face, by a few frames near its beginning; `size`: pixels of the crops."""
    there = np.flatnonzero(track.present)
    there = there[there < there[0] + STRETCH]
    slots = there[np.unique(np.linspace(0, len(there) - 1, FRAMES).round().astype(int))]
    frames = source.frames(timeline.source_index[slots])
    return judge(
        [crop_frame(frame, track.boxes[slot], size) for slot, frame in zip(slots, frames, strict=True)]
    )


def _as_integers(crop: np.ndarray) -> np.ndarray:
    if not np.issubdtype(crop.dtype, np.floating):
        return crop
    return (np.clip(crop, 0, 1) * 255).round().astype(np.uint8)
