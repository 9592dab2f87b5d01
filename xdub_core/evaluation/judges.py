"""Who judges a dub: the networks behind the measures come in by these protocols; the mini's are `mini_judges`.

None of them may have been trained on the people or the speech of the dubs that they judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor


class SyncScorer(Protocol):
    """A SyncNet (Chung and Zisserman 2016), which embeds windows of face crops and of sound into one space."""

    @property
    def window(self) -> int:
        """Frames of a window."""

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Face crops [F, H, W, 3], uint8 or float in 0..1 -> embeddings [F - window + 1, width]."""

    def embed_audio(self, rows: Tensor) -> Tensor:
        """Audio features [2 F, width] of F frames -> embeddings [F - window + 1, width]."""


class FoundLandmarks(Protocol):
    """What a `LandmarkFinder` found in n frames."""

    @property
    def points(self) -> np.ndarray:
        """[n, K, 2] in pixels."""

    @property
    def openness(self) -> np.ndarray:
        """[n]: how far the mouth is open, 0..1."""


class LandmarkFinder(Protocol):
    """Finds the landmarks of the one face in a picture."""

    @property
    def mouth_points(self) -> slice:
        """The lips among the points."""

    def find(self, frames: Sequence[np.ndarray]) -> FoundLandmarks:
        """Landmarks of frames uint8 [H, W, 3]."""


class VideoMetric(Protocol):
    """One figure for two videos of a face."""

    def __call__(self, frames: Tensor, others: Tensor) -> float:
        """`frames`, `others`: [n, H, W, 3], uint8 or float in 0..1."""


@dataclass(frozen=True)
class Judges:
    """One set of judges. `identity`: a similarity, CSIM; `perceptual`: a distance, LPIPS or the like."""

    sync: SyncScorer
    landmarks: LandmarkFinder
    identity: VideoMetric
    perceptual: VideoMetric
