"""Sync-C and the offset, as Chung and Zisserman (2016) define them, from a SyncNet's vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.errors import SettingsError
from xdub_core.mini.syncnet import ROWS_PER_FRAME, WINDOW, SyncNet, crop_mouths

REACH = 15
"""Frames by which sound and picture are shifted against each other, to either side."""
_FEWEST_WINDOWS = 5
_PIECE = 256


@dataclass(frozen=True)
class SyncScore:
    """How well lips and sound belong together.

    `confidence`: Sync-C, the median of the mean distances at all offsets less the least one; 0 where no offset stands
    out, here rarely above 1 (vectors have length 1, so distances lie in 0..2).
    `distance`: that least mean distance (Sync-D). `offset`: frames by which the sound comes late at it, -15..15.
    `distance_in_place`: the mean distance at offset 0.
    """

    confidence: float
    offset: int
    distance: float
    distance_in_place: float


@torch.no_grad()
def sync_score(network: SyncNet, frames: Tensor, boxes: Tensor, features: Tensor) -> SyncScore:
    """Score frames [F, H, W, 3] (uint8, or float in 0..1) against features [2 F, width] of the same time.

    `boxes` [F, 4]: the mouth's xyxy in pixels in each frame. Raises SettingsError for clips of less than 24 frames
    (a second), too short to shift.
    """
    return score_vectors(picture_vectors(network, frames, boxes), network.hear(features[None].float())[0])


@torch.no_grad()
def picture_vectors(network: SyncNet, frames: Tensor, boxes: Tensor) -> Tensor:
    """A vector a window [F - 4, width] of frames [F, H, W, 3] with mouths in boxes [F, 4]; memory stays bounded."""
    parts = []
    for start in range(0, len(frames) - WINDOW + 1, _PIECE):
        stop = min(start + _PIECE + WINDOW - 1, len(frames))
        piece = frames[start:stop]
        piece = piece.float() / 255 if piece.dtype == torch.uint8 else piece.float()
        parts.append(network.see(crop_mouths(piece[None], boxes[None, start:stop], network.config.crop))[0])
    return torch.cat(parts) if parts else torch.zeros(0, network.config.width)


def features_of_frames(features: AudioFeatures, start: int, stop: int) -> Tensor:
    """The rows of frames [start, stop) at 25 fps: [2 (stop - start), width]."""
    return features.read(ROWS_PER_FRAME * start, ROWS_PER_FRAME * stop)


def score_vectors(seen: Tensor, heard: Tensor, reach: int = REACH) -> SyncScore:
    """Score windows' vectors [n, width] of picture and sound; where they are shifted, only the overlap counts."""
    count = min(len(seen), len(heard))
    if count < reach + _FEWEST_WINDOWS:
        raise SettingsError(
            f"a clip of {count + WINDOW - 1} frames is too short to find its sync: "
            f"take {reach + _FEWEST_WINDOWS + WINDOW - 1} or more"
        )
    distances = torch.stack(
        [_mean_distance(seen[:count], heard[:count], o) for o in range(-reach, reach + 1)]
    )
    least = int(distances.argmin())
    return SyncScore(
        confidence=float(distances.median() - distances[least]),
        offset=least - reach,
        distance=float(distances[least]),
        distance_in_place=float(distances[reach]),
    )


def _mean_distance(seen: Tensor, heard: Tensor, offset: int) -> Tensor:
    """Mean distance where window i of the picture meets window i + offset of the sound."""
    count = len(seen) - abs(offset)
    a, b = seen[max(0, -offset) :][:count], heard[max(0, offset) :][:count]
    return (a - b).norm(dim=1).mean()
