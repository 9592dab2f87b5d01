"""Face identity: a small embedding network, trained to distinguish the rendered people.

It takes the place of the paper's ArcFace: the filter of pairs (B.6), the texture expert's loss, and CSIM. Similarities
are calibrated to ArcFace's scale, so that the paper's numbers mean here what they mean there: two different people 0,
two recordings of one person 0.812 in the middle (the paper measured that mean, B.6), one picture with itself 1.

Its inner layers also give a perceptual distance by LPIPS's formula, with these features instead of VGG's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WITHIN_PERSON = 0.812
"""Mean similarity of different recordings of one person (paper, B.6)."""
SAME_PERSON = 0.85
"""Pairs below this similarity are discarded (paper, B.6)."""


@dataclass(frozen=True)
class IdentityConfig:
    """Sizes of the network. `side`: pixels that a crop is brought to; `width`: of the embedding."""

    side: int = 48
    widths: tuple[int, ...] = (32, 48, 64, 96)
    width: int = 64


class IdentityNet(nn.Module):
    """Face crops to embeddings of length 1. `strangers` and `within` are the measured cosines that calibrate it."""

    strangers: Tensor
    within: Tensor

    def __init__(self, config: IdentityConfig) -> None:
        super().__init__()
        self.config = config
        stages, before = [], 3
        for i, width in enumerate(config.widths):
            layers = [nn.Conv2d(before, width, 3, stride=1 if i == 0 else 2, padding=1), nn.SiLU()]
            stages.append(nn.Sequential(*layers, nn.Conv2d(width, width, 3, padding=1), nn.SiLU()))
            before = width
        self.stages = nn.ModuleList(stages)
        self.embed = nn.Linear(4 * before, config.width)
        self.register_buffer("strangers", torch.tensor(0.0))
        self.register_buffer("within", torch.tensor(WITHIN_PERSON))

    def layers(self, frames: Tensor) -> list[Tensor]:
        """The feature maps of each stage for face crops [n, H, W, 3] in 0..1: maps [n, width, h, w], fine to coarse."""
        pictures = frames.permute(0, 3, 1, 2)
        if tuple(pictures.shape[2:]) != (self.config.side, self.config.side):
            pictures = F.interpolate(pictures, (self.config.side, self.config.side), mode="area")
        maps, x = [], 2 * pictures - 1
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, frames: Tensor) -> Tensor:
        """Face crops [n, H, W, 3] in 0..1 -> embeddings [n, width] of length 1; differentiable."""
        pooled = F.adaptive_avg_pool2d(self.layers(frames)[-1], 2).flatten(1)
        return F.normalize(self.embed(pooled).float(), dim=1)

    def calibrated(self, cosine: Tensor) -> Tensor:
        """Cosines of embeddings on ArcFace's scale; see the module's docstring. Straight between those points."""
        low = WITHIN_PERSON * (cosine - self.strangers) / (self.within - self.strangers)
        high = WITHIN_PERSON + (1 - WITHIN_PERSON) * (cosine - self.within) / (1 - self.within)
        return torch.where(cosine < self.within, low, high).clamp(-1, 1)


@torch.no_grad()
def identity_similarity(network: IdentityNet, frames: Tensor, others: Tensor) -> float:
    """How alike two videos of a face are (CSIM), -1..1: the mean of their frames, calibrated.

    `frames`, `others`: [n, H, W, 3], uint8 or float in 0..1; they are compared frame by frame where n is the same,
    else by their mean embeddings.
    """
    a, b = network(as_float(frames)), network(as_float(others))
    if len(a) != len(b):
        a, b = F.normalize(a.mean(0, keepdim=True), dim=1), F.normalize(b.mean(0, keepdim=True), dim=1)
    return float(network.calibrated((a * b).sum(1)).mean())


@torch.no_grad()
def feature_distance(network: IdentityNet, frames: Tensor, others: Tensor) -> float:
    """The perceptual distance of two videos [n, H, W, 3] by LPIPS's formula, 0 (equal) to 2.

    Not LPIPS itself: values compare with none but the same network's.
    """
    distance = torch.zeros(())
    pairs = zip(network.layers(as_float(frames)), network.layers(as_float(others)), strict=True)
    for a, b in pairs:
        difference = F.normalize(a, dim=1) - F.normalize(b, dim=1)
        distance = distance + difference.square().sum(1).mean().cpu()
    return float(distance) / len(network.stages) / 2


def as_float(frames: Tensor) -> Tensor:
    """uint8 frames as float in 0..1; float ones as they are."""
    return frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
