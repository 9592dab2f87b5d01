"""Losses on pixels: lip sync and identity (paper section 3.3, appendices C.2 and D)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from xdub_core.audio.windows import ROWS_PER_FRAME
from xdub_core.errors import SettingsError
from xdub_core.training.flow import TRUNCATION
from xdub_core.vae.grid import LatentGrid


class FrameDecoder(Protocol):
    """A VAE's decoder that gradients pass through, for a batch."""

    def __call__(self, latents: Tensor) -> Tensor:
        """`latents`: [batch, channels, f, height, width] -> frames [batch, 4 (f - 1) + 1, H, W, 3] in 0..1."""
        ...


class SyncScorer(Protocol):
    """A SyncNet: how well a mouth goes with a sound, differentiable in the frames."""

    def __call__(self, frames: Tensor, rows: Tensor) -> Tensor:
        """Cosine similarity [batch] of `frames` [batch, n, H, W, 3] in 0..1 and `rows` [batch, 2 n, width], 50 Hz."""
        ...


class Embedder(Protocol):
    """An image encoder: ArcFace for identity, CLIP for semantics, or the like; differentiable."""

    def __call__(self, frames: Tensor) -> Tensor:
        """`frames` [n, H, W, 3] in 0..1 -> embeddings [n, width], of any length."""
        ...


@dataclass(frozen=True)
class PixelLossSettings:
    """Weights and sizes of the pixel losses.

    `segment_latents` latents are decoded at a time (4 latents are 13 frames: appendix D), and each sync window is
    `sync_window` frames long (Eq. 13). `threshold`: t_thres. `silent`: how often audio attention is switched off
    where identity is supervised, which it is in those steps alone (section 3.3).
    """

    sync_weight: float = 0.05
    identity_weight: float = 0.05
    threshold: float = TRUNCATION
    segment_latents: int = 4
    sync_window: int = 8
    silent: float = 0.5

    def __post_init__(self) -> None:
        for name in ("threshold", "silent"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: use 0 to 1")
        for name, least in (
            ("sync_weight", 0),
            ("identity_weight", 0),
            ("segment_latents", 1),
            ("sync_window", 1),
        ):
            if getattr(self, name) < least:
                raise SettingsError(f"{name} is {getattr(self, name)}: use {least} or more")


def sync_loss(scorer: SyncScorer, frames: Tensor, rows: Tensor, window: int) -> Tensor:
    """1 - the cosine similarity of Eq. 13, per sample [batch]: the mean over all windows of `window` frames.

    `frames`: [batch, n, H, W, 3]; `rows`: [batch, 2 n, width], the sound of those frames.
    """
    count = frames.shape[1] - window + 1
    video = torch.cat([frames[:, start : start + window] for start in range(count)])
    audio = torch.cat(
        [rows[:, ROWS_PER_FRAME * start : ROWS_PER_FRAME * (start + window)] for start in range(count)]
    )
    return 1 - scorer(video, audio).unflatten(0, (count, -1)).mean(0)


def identity_loss(embedders: tuple[Embedder, ...], frames: Tensor, reference: Tensor) -> Tensor:
    """1 - cosine similarity to the reference video, frame by frame, per sample [batch]; summed over the embedders.

    `frames`, `reference`: [batch, n, H, W, 3].
    """
    total = frames.new_zeros(len(frames))
    for embed in embedders:
        with torch.no_grad():
            wanted = embed(reference.flatten(0, 1))
        similarity = F.cosine_similarity(embed(frames.flatten(0, 1)), wanted, dim=-1)
        total = total + 1 - similarity.unflatten(0, frames.shape[:2]).mean(1)
    return total


def draw_segment(latents: int, length: int, generator: torch.Generator) -> slice:
    """`length` consecutive latent frames out of `latents`, or all of them where there are not more."""
    if latents <= length:
        return slice(0, latents)
    start = int(torch.randint(latents - length + 1, (), generator=generator))
    return slice(start, start + length)


def segment_rows(rows: Tensor, segment: slice, grid: LatentGrid) -> Tensor:
    """The feature rows [batch, 2 n, width] of the n frames that a segment of latents decodes to.

    Latents from k on, decoded by themselves, begin with a single frame of the clip, the last one of latent k.
    """
    first = grid.span(segment.start)[-1]
    frames = grid.frames(segment.stop - segment.start)
    return rows[:, ROWS_PER_FRAME * first : ROWS_PER_FRAME * (first + frames)]
