"""Lip sync: the mini's SyncNet (after Chung and Zisserman 2016).

Two towers embed windows of 5 frames (0.2 s): the mouth's pixels, and the audio features of the same time. Both are
convolutions in time, so a clip of n frames costs n pictures and gives n - 4 windows:

    mouth crops - a picture's vector - 5 frames to one -+
                                                        +- cosine: 1 where they belong together
    audio features, 2 rows a frame - 10 rows to one ----+
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.audio.windows import ROWS_PER_FRAME
from xdub_core.mini.identity_net import as_float

WINDOW = 5
"""Frames of a window."""
_PIECE = 256  # frames that are embedded at a time
MOUTH_REGION = (0.22, 0.34, 0.78, 0.90)
"""Where the mouth is in the standard crop, whatever the head does: xyxy as fractions of the crop's sides."""


@dataclass(frozen=True)
class SyncConfig:
    """Sizes of the SyncNet. `crop`: side of the mouth's picture; `audio_width`: of the audio features."""

    audio_width: int = 64
    crop: int = 40
    picture_width: int = 32
    hidden: int = 128
    width: int = 64


class SyncNet(nn.Module):
    """Both towers; embeddings have length 1. `temperature` is learnt, and matters in training only."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.picture_width, config.hidden
        self.picture = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(1),
            nn.Linear(2 * width * (config.crop // 8) ** 2, hidden),
            nn.LayerNorm(hidden),
            nn.SiLU(),
        )
        self.frames_to_window = nn.Sequential(
            nn.Conv1d(hidden, hidden, WINDOW), nn.SiLU(), nn.Conv1d(hidden, config.width, 1)
        )
        self.rows_to_window = nn.Sequential(
            nn.Conv1d(config.audio_width, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(hidden, hidden, ROWS_PER_FRAME * WINDOW, stride=ROWS_PER_FRAME),
            nn.SiLU(),
            nn.Conv1d(hidden, config.width, 1),
        )
        self.temperature = nn.Parameter(torch.tensor(2.3))

    def embed_mouths(self, mouths: Tensor) -> Tensor:
        """Mouth crops [B, F, 3, crop, crop] in 0..1 -> embeddings [B, F - 4, width], one a window."""
        pictures = self.picture(2 * mouths.flatten(0, 1) - 1).unflatten(0, mouths.shape[:2])
        return F.normalize(self.frames_to_window(pictures.transpose(1, 2)).transpose(1, 2).float(), dim=-1)

    def embed_audio(self, features: Tensor) -> Tensor:
        """Audio features [B, 2 F, audio_width] of the same F frames -> embeddings [B, F - 4, width]."""
        return F.normalize(self.rows_to_window(features.transpose(1, 2)).transpose(1, 2).float(), dim=-1)

    def similarity(self, mouths: Tensor, features: Tensor) -> Tensor:
        """The cosine of each window's picture and sound [B, F - 4], -1..1; differentiable in both."""
        return (self.embed_mouths(mouths) * self.embed_audio(features)).sum(dim=-1)


class MiniSyncScorer:
    """The SyncNet as a scorer of face crops, whose mouth is always in about the same `region` of the crop.

    Its cosine serves the lip expert's loss (`training.rewards`), its embeddings the measures (`evaluation.judges`).
    `region`: xyxy as fractions of the crop's sides.
    """

    window = WINDOW

    def __init__(self, network: SyncNet, region: tuple[float, float, float, float] = MOUTH_REGION) -> None:
        self.network = network.eval()
        self.region = region

    def __call__(self, frames: Tensor, rows: Tensor) -> Tensor:
        """Mean cosine [batch] of `frames` [batch, n, H, W, 3] in 0..1, n >= 5, and `rows` [batch, 2 n, width]."""
        return self.network.similarity(self._mouths(frames), rows).mean(dim=1)

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Face crops [F, H, W, 3], uint8 or float in 0..1 -> embeddings [F - 4, width]; memory stays bounded."""
        parts = []
        for start in range(0, len(frames) - WINDOW + 1, _PIECE):
            piece = as_float(frames[start : start + _PIECE + WINDOW - 1])
            parts.append(self.network.embed_mouths(self._mouths(piece[None]))[0])
        return torch.cat(parts) if parts else torch.zeros(0, self.network.config.width)

    def embed_audio(self, rows: Tensor) -> Tensor:
        """Audio features [2 F, audio_width] -> embeddings [F - 4, width]."""
        return self.network.embed_audio(rows[None].float())[0]

    def _mouths(self, frames: Tensor) -> Tensor:
        return crop_mouths(frames, region_boxes(frames, self.region), self.network.config.crop)


def region_boxes(frames: Tensor, region: tuple[float, float, float, float] = MOUTH_REGION) -> Tensor:
    """The same box in every frame of [..., F, H, W, 3]: [..., F, 4] xyxy in pixels."""
    height, width = frames.shape[-3:-1]
    box = torch.tensor(region, device=frames.device) * torch.tensor([width, height] * 2, device=frames.device)
    return box.expand(*frames.shape[:-3], 4)


def crop_mouths(frames: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut boxes [B, F, 4] (xyxy in pixels, continuous edges) out of frames [B, F, H, W, 3].

    Returns [B, F, 3, side, side], bilinear; outside of the frame its edge goes on. Differentiable in the frames.
    A box should follow the head, not the lips: where its edges follow the speech they give it away.
    """
    batch, count, height, width = frames.shape[:4]
    size = frames.new_tensor([width, height])
    low, high = boxes[..., :2].to(frames) / size, boxes[..., 2:].to(frames) / size
    theta = frames.new_zeros(batch * count, 2, 3)
    theta[:, :, :2] = torch.diag_embed((high - low).flatten(0, 1))
    theta[:, :, 2] = (high + low - 1).flatten(0, 1)
    grid = F.affine_grid(theta, [batch * count, 3, side, side], align_corners=False)
    pictures = frames.flatten(0, 1).permute(0, 3, 1, 2)
    mouths = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return mouths.unflatten(0, (batch, count))
