"""Sync-C and the offset, as Chung and Zisserman (2016) define them, from a SyncNet's embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.evaluation.judges import SyncScorer

REACH = 15
"""Frames by which sound and picture are shifted against each other, to either side."""
_FEWEST_WINDOWS = 5


@dataclass(frozen=True)
class SyncScore:
    """How well lips and sound belong together.

    `confidence`: Sync-C, the median of the mean distances at all offsets less the least one; 0 where no offset stands
    out, here rarely above 1 (embeddings of length 1: distances lie in 0..2).
    `distance`: that least mean distance (Sync-D). `offset`: frames by which the sound comes late at it, -15..15.
    """

    confidence: float
    offset: int
    distance: float


@torch.no_grad()
def sync_score(scorer: SyncScorer, frames: Tensor, features: Tensor) -> SyncScore:
    """Score face crops [F, H, W, 3] (uint8, or float in 0..1) against features [2 F, width] of the same time.

    Raises SettingsError for clips too short to shift: a second at least.
    """
    return score_embeddings(scorer.embed_frames(frames), scorer.embed_audio(features), scorer.window)


def score_embeddings(video: Tensor, audio: Tensor, window: int, reach: int = REACH) -> SyncScore:
    """Score windows' embeddings [n, width]; where they are shifted, only the overlap counts."""
    count = min(len(video), len(audio))
    if count < reach + _FEWEST_WINDOWS:
        raise SettingsError(
            f"a clip of {count + window - 1} frames is too short to find its sync: "
            f"take {reach + _FEWEST_WINDOWS + window - 1} or more"
        )
    distances = torch.stack(
        [_mean_distance(video[:count], audio[:count], o) for o in range(-reach, reach + 1)]
    )
    least = int(distances.argmin())
    return SyncScore(
        confidence=float(distances.median() - distances[least]),
        offset=least - reach,
        distance=float(distances[least]),
    )


def _mean_distance(video: Tensor, audio: Tensor, offset: int) -> Tensor:
    """Mean distance where window i of the picture meets window i + offset of the sound."""
    count = len(video) - abs(offset)
    a, b = video[max(0, -offset) :][:count], audio[max(0, offset) :][:count]
    return (a - b).norm(dim=1).mean()
