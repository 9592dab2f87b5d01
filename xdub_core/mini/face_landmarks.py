"""Finding a rendered face and its landmarks: what the demonstration uses instead of RTMW.

Two stages of the same small network: far, the whole frame, to find the face; near, a close-up, to find its points.

    picture - fold 4x4 - blocks at 1/4 and 1/8 - one heat map a landmark at 1/4 - centres of mass
                                      +- is there a face? how far is its mouth open?

Points are those of `labels.LANDMARK_NAMES`, and after them the two corners of the face box, which does not move with
the speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.face.detector import eight_bit
from xdub_core.mini.labels import LANDMARK_NAMES, MOUTH_POINTS

SIDE = 96
"""Pixels of the network's input."""
FACE_BOX = slice(len(LANDMARK_NAMES), len(LANDMARK_NAMES) + 2)
"""The face box's corners among the points."""
POINTS = FACE_BOX.stop
CLOSE_UP = 1.6
"""The near stage's square has this many times the landmarks' larger extent."""
_FOLD = 4
_BATCH = 32


@dataclass(frozen=True)
class LandmarkConfig:
    """Sizes of the network. `points`: how many, in the dataset's order; see the module's docstring."""

    points: int = POINTS
    fine: int = 32
    coarse: int = 64


class Landmarks(NamedTuple):
    """`points` [n, K, 2] as fractions of the picture; `presence` [n]: logits; `openness` [n] of the mouth, 0..1."""

    points: Tensor
    presence: Tensor
    openness: Tensor


class LandmarkNet(nn.Module):
    """Landmarks of the one face in a square picture."""

    def __init__(self, config: LandmarkConfig) -> None:
        super().__init__()
        self.config = config
        fine, coarse = config.fine, config.coarse
        self.fold = nn.Conv2d(3 * _FOLD**2, fine, 3, padding=1)
        self.fine = nn.Conv2d(fine, fine, 3, padding=1)
        self.down = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.wide = nn.ModuleList(nn.Conv2d(coarse, coarse, 3, padding=d, dilation=d) for d in (1, 2, 4))
        self.up = nn.Conv2d(coarse, fine, 1)
        self.maps = nn.Sequential(
            nn.Conv2d(fine, fine, 3, padding=1), nn.SiLU(), nn.Conv2d(fine, config.points, 1)
        )
        self.summary = nn.Sequential(nn.Linear(9 * coarse, coarse), nn.SiLU(), nn.Linear(coarse, 2))

    def forward(self, pictures: Tensor) -> Landmarks:
        """Pictures [n, 3, 96, 96] in 0..1; see `Landmarks`."""
        return self.with_features(pictures)[0]

    def with_features(self, pictures: Tensor) -> tuple[Landmarks, Tensor]:
        """The landmarks, and the pooled features [n, 9 * coarse] that presence and openness are read from."""
        maps, coarse = self._maps(pictures)
        pooled = F.adaptive_avg_pool2d(coarse, 3).flatten(1)
        presence, openness = self.summary(pooled).float().unbind(1)
        return Landmarks(centres_of_mass(maps), presence, openness), pooled

    def heat_maps(self, pictures: Tensor) -> Tensor:
        """Pictures [n, 3, h, w] in 0..1, sides multiples of 8 -> heat maps (logits) [n, K, h / 4, w / 4]."""
        return self._maps(pictures)[0]

    def _maps(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = F.silu(self.fold(F.pixel_unshuffle(2 * pictures - 1, _FOLD)))
        fine = fine + F.silu(self.fine(fine))
        coarse = F.silu(self.down(fine))
        for layer in self.wide:
            coarse = coarse + F.silu(layer(coarse))
        up = F.interpolate(self.up(coarse), scale_factor=2, mode="bilinear", align_corners=False)
        return self.maps(fine + up).float(), coarse


def centres_of_mass(maps: Tensor) -> Tensor:
    """Heat maps [n, K, h, w] (logits) -> their centres [n, K, 2] as fractions x, y of the picture."""
    height, width = maps.shape[2:]
    heat = maps.flatten(2).softmax(-1).unflatten(2, (height, width))
    x = (torch.arange(width, device=maps.device) + 0.5) / width
    y = (torch.arange(height, device=maps.device) + 0.5) / height
    return torch.stack([(heat.sum(2) * x).sum(-1), (heat.sum(3) * y).sum(-1)], dim=-1)


class FoundFaces(NamedTuple):
    """`points` float64 [n, K, 2] in pixels of the frames; `score` [n] in 0..1; `openness` [n] of the mouth."""

    points: np.ndarray
    score: np.ndarray
    openness: np.ndarray


class LandmarkFinder:
    """The far network finds the face in the whole frame, the near one its landmarks in a close-up; one face a frame."""

    mouth_points = MOUTH_POINTS

    def __init__(self, far: LandmarkNet, near: LandmarkNet) -> None:
        self.far, self.near = far.eval(), near.eval()

    def find(self, frames: Sequence[np.ndarray]) -> FoundFaces:
        """Faces of frames uint8 or uint16 [H, W, 3] of any size, a few at a time."""
        size = len(frames)
        parts = [self._run(frames[start : start + _BATCH])[0] for start in range(0, size, _BATCH)]
        if not parts:
            return FoundFaces(np.zeros((0, self.near.config.points, 2)), np.zeros(0), np.zeros(0))
        return FoundFaces(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def features(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Both networks' pooled features of a few frames, float32 [n, features]."""
        return self._run(frames)[1]

    @torch.no_grad()
    def _run(self, frames: Sequence[np.ndarray]) -> tuple[FoundFaces, np.ndarray]:
        frames = [eight_bit(frame) for frame in frames]
        squares = np.stack([whole_square(frame.shape[1], frame.shape[0]) for frame in frames])
        far, whole = self.far.with_features(pictures_of(frames, squares))
        squares = close_ups(in_frame(far.points, squares))
        near, close = self.near.with_features(pictures_of(frames, squares))
        found = FoundFaces(
            in_frame(near.points, squares), far.presence.sigmoid().numpy(), near.openness.numpy()
        )
        return found, torch.cat([whole, close], dim=1).numpy()


def whole_square(width: int, height: int) -> np.ndarray:
    """The least square [x0, y0, x1, y1] about a frame."""
    side = max(width, height)
    return np.array([width - side, height - side, width + side, height + side]) / 2


def close_ups(points: np.ndarray, factor: float = CLOSE_UP) -> np.ndarray:
    """Squares [n, 4] about landmarks [n, K, 2]: `factor` times as large as their larger extent, 8 pixels at least."""
    low, high = points.min(1), points.max(1)
    half = np.maximum(factor * (high - low).max(1, keepdims=True), 8.0) / 2
    return np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half], axis=1)


def cut_square(frame: np.ndarray, square: np.ndarray, side: int = SIDE) -> np.ndarray:
    """A square [x0, y0, x1, y1] of a uint8 frame as uint8 [side, side, 3]; black outside of the frame."""
    scale = side / (square[2] - square[0])
    matrix = np.array([[scale, 0, -square[0] * scale], [0, scale, -square[1] * scale]])
    matrix[:, 2] += (scale - 1) / 2  # pixel centres
    if scale < 0.5:  # a plain bilinear sample would alias
        step = int(1 / scale)
        frame = cv2.blur(frame, (step, step))
    return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)


def pictures_of(frames: Sequence[np.ndarray], squares: np.ndarray) -> Tensor:
    """A square [n, 4] of each uint8 frame as the networks take it, [n, 3, 96, 96] in 0..1."""
    cuts = np.stack([cut_square(frame, square) for frame, square in zip(frames, squares, strict=True)])
    return torch.from_numpy(cuts).permute(0, 3, 1, 2).float() / 255


def in_frame(points: Tensor, squares: np.ndarray) -> np.ndarray:
    """Fractions of squares [n, K, 2] as pixels of the frames, float64."""
    sides = (squares[:, 2] - squares[:, 0])[:, None, None]
    return squares[:, None, :2] + points.double().numpy() * sides
