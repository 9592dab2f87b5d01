"""Light and occluders added to both sides of a pair alike, so that the editor learns to leave them be (B.4).

Both are plain data: drawn once, applied to the real and to the synthetic clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Relighting:
    """A light that changes over the clip.

    The gain of each colour goes from `start` to `end` along the clip; the light falls off across the picture from the
    direction `angle` (radians, 0 = right, growing downwards, turning by `turn` over the clip) by the share `slope`.
    """

    start: Color
    end: Color
    angle: float
    turn: float
    slope: float

    def apply(self, frames: Tensor) -> Tensor:
        """Relit `frames` [F, H, W, 3] in 0..1."""
        count, height, width = frames.shape[:3]
        progress = torch.linspace(0, 1, count).to(frames)
        start, end = (torch.tensor(color).to(frames) for color in (self.start, self.end))
        gain = start + progress[:, None] * (end - start)  # [F, 3]
        angles = self.angle + progress * self.turn
        x, y = _coordinates(height, width, frames)
        towards = angles.cos()[:, None, None] * x + angles.sin()[:, None, None] * y  # [F, H, W], about -1..1
        light = gain[:, None, None] * (1 + self.slope * towards).unsqueeze(-1)
        return (frames * light).clamp(0, 1)


@dataclass(frozen=True)
class Occlusion:
    """An opaque ellipse that moves in a straight line in front of the face.

    Positions and radii are in shares of the picture's width and height; `softness` is the edge's width likewise.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    radii: tuple[float, float]
    angle: float
    color: Color
    softness: float = 0.02

    def mask(self, frames: Tensor) -> Tensor:
        """The occluder in `frames` [F, H, W, 3]: [F, H, W] in 0..1."""
        count, height, width = frames.shape[:3]
        progress = torch.linspace(0, 1, count).to(frames)
        x, y = _coordinates(height, width, frames)
        centre = torch.tensor(self.start).to(frames) + progress[:, None] * torch.tensor(
            [e - s for s, e in zip(self.start, self.end, strict=True)]
        ).to(frames)
        dx = (x + 1) / 2 - centre[:, 0, None, None]
        dy = (y + 1) / 2 - centre[:, 1, None, None]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        across, along = self.radii
        distance = torch.hypot((cos * dx + sin * dy) / across, (cos * dy - sin * dx) / along)
        return ((1 - distance) * min(self.radii) / self.softness + 0.5).clamp(0, 1)

    def apply(self, frames: Tensor) -> Tensor:
        """`frames` with the occluder in front."""
        alpha = self.mask(frames).unsqueeze(-1)
        return alpha * torch.tensor(self.color).to(frames) + (1 - alpha) * frames


@dataclass(frozen=True)
class AugmentationRates:
    """The shares of pairs that are relit (5% in the paper), occluded and recoloured (neither is in the paper)."""

    light: float = 0.05
    occlusion: float = 0.1
    recoloring: float = 0.0


@dataclass(frozen=True)
class Recoloring:
    """Red, green and blue in another order: for a model that shall dub faces of any colour, drawn ones too."""

    order: tuple[int, int, int]

    def apply(self, frames: Tensor) -> Tensor:
        """`frames` [F, H, W, 3] in the other colours."""
        return frames[..., list(self.order)]


def draw_recoloring(rng: np.random.Generator) -> Recoloring:
    """One of the six orders."""
    red, green, blue = rng.permutation(3).tolist()
    return Recoloring((red, green, blue))


def draw_relighting(rng: np.random.Generator) -> Relighting:
    """A light of random colour and strength: static, or dynamic in half of the draws."""
    start = rng.uniform(0.6, 1.25, ()) * rng.uniform(0.8, 1.2, 3)
    dynamic = rng.random() < 0.5
    end = rng.uniform(0.6, 1.25, ()) * rng.uniform(0.8, 1.2, 3) if dynamic else start
    return Relighting(
        start=_color(start),
        end=_color(end),
        angle=float(rng.uniform(0, 2 * math.pi)),
        turn=float(rng.uniform(-1.5, 1.5)) if dynamic else 0.0,
        slope=float(rng.uniform(0, 0.4)),
    )


def draw_occlusion(rng: np.random.Generator) -> Occlusion:
    """An occluder of random size and colour on its way across the lower half of the picture."""
    start, end = rng.uniform((0.0, 0.4), (1.0, 1.0), (2, 2))
    return Occlusion(
        start=(float(start[0]), float(start[1])),
        end=(float(end[0]), float(end[1])),
        radii=(float(rng.uniform(0.04, 0.15)), float(rng.uniform(0.1, 0.4))),
        angle=float(rng.uniform(0, math.pi)),
        color=_color(rng.uniform(0, 1, 3)),
    )


def augment_pair(
    real: Tensor, synthetic: Tensor, rng: np.random.Generator, rates: AugmentationRates
) -> tuple[Tensor, Tensor]:
    """Both clips [F, H, W, 3] with the same occluder, light and colours, as often as `rates` say."""
    if rng.random() < rates.occlusion:
        occlusion = draw_occlusion(rng)
        real, synthetic = occlusion.apply(real), occlusion.apply(synthetic)
    if rng.random() < rates.light:
        light = draw_relighting(rng)
        real, synthetic = light.apply(real), light.apply(synthetic)
    if rng.random() < rates.recoloring:
        colors = draw_recoloring(rng)
        real, synthetic = colors.apply(real), colors.apply(synthetic)
    return real, synthetic


def _coordinates(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of every pixel's middle, -1..1 from edge to edge: [1, W] and [H, 1]."""
    x = (torch.arange(width).to(like) + 0.5) / width * 2 - 1
    y = (torch.arange(height).to(like) + 0.5) / height * 2 - 1
    return x[None], y[:, None]


def _color(values: np.ndarray) -> Color:
    r, g, b = values.tolist()
    return r, g, b
