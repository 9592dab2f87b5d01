"""Finding a rendered face and its landmarks: what the demonstration uses instead of RTMW.

The same small network looks twice: at the whole frame, to find the face, and at the face, to find its points.

    picture ─ fold 4x4 ─ blocks at 1/4 and 1/8 ─ one heat map a landmark at 1/4 ─ centres of mass
                                      └─ is there a face? how far is its mouth open?
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

from xdub_core.errors import SettingsError
from xdub_core.face.detector import Detection, detection_from_keypoints, eight_bit
from xdub_core.face.landmarks import keypoints_from_face68

SIDE = 96
"""Pixels of the picture that the network looks at."""
FACE_POINTS = 68
CLOSE_UP = 1.6
"""The second look's square has this many times the landmarks' larger extent."""
_FOLD = 4
_BATCH = 32


@dataclass(frozen=True)
class PointConfig:
    """Sizes of the network. `points`: landmarks, in the dataset's order."""

    points: int = FACE_POINTS
    fine: int = 32
    coarse: int = 64


class Points(NamedTuple):
    """`points` [n, K, 2] as fractions of the picture; `presence` [n]: logits; `openness` [n] of the mouth, 0..1."""

    points: Tensor
    presence: Tensor
    openness: Tensor


class PointNet(nn.Module):
    """Landmarks of the one face in a square picture."""

    def __init__(self, config: PointConfig) -> None:
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

    def forward(self, pictures: Tensor) -> Points:
        """Pictures [n, 3, 96, 96] in 0..1; see `Points`."""
        fine = F.silu(self.fold(F.pixel_unshuffle(2 * pictures - 1, _FOLD)))
        fine = fine + F.silu(self.fine(fine))
        coarse = F.silu(self.down(fine))
        for layer in self.wide:
            coarse = coarse + F.silu(layer(coarse))
        up = F.interpolate(self.up(coarse), scale_factor=2, mode="bilinear", align_corners=False)
        presence, openness = self.summary(F.adaptive_avg_pool2d(coarse, 3).flatten(1)).float().unbind(1)
        return Points(centres_of_mass(self.maps(fine + up).float()), presence, openness)


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
    """Two looks of the two networks; one face a frame."""

    def __init__(self, far: PointNet, near: PointNet) -> None:
        self.far, self.near = far.eval(), near.eval()

    def find(self, frames: Sequence[np.ndarray]) -> FoundFaces:
        """Faces of frames uint8 or uint16 [H, W, 3] of any size, a few at a time."""
        size = len(frames)
        parts = [self._find(frames[start : start + _BATCH]) for start in range(0, size, _BATCH)]
        if not parts:
            return FoundFaces(np.zeros((0, self.near.config.points, 2)), np.zeros(0), np.zeros(0))
        return FoundFaces(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    @torch.no_grad()
    def _find(self, frames: Sequence[np.ndarray]) -> FoundFaces:
        frames = [eight_bit(frame) for frame in frames]
        squares = np.stack([whole_square(frame.shape[1], frame.shape[0]) for frame in frames])
        far = self.far(_pictures(frames, squares))
        squares = close_ups(_in_frame(far.points, squares))
        near = self.near(_pictures(frames, squares))
        return FoundFaces(
            _in_frame(near.points, squares), far.presence.sigmoid().numpy(), near.openness.numpy()
        )


class MiniDetector:
    """The `FaceDetector` of rendered heads. It knows nothing of real people."""

    def __init__(self, finder: LandmarkFinder, threshold: float = 0.5) -> None:
        if finder.near.config.points != FACE_POINTS:
            raise SettingsError(
                f"a face detector needs landmarks of {FACE_POINTS} points, not {finder.near.config.points}"
            )
        self.finder = finder
        self.threshold = threshold

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002 (the signature of a FaceDetector)
    ) -> list[Detection | None]:
        """The face of each frame, or None; see `FaceDetector`."""
        found = self.finder.find(frames)
        return [
            detection_from_keypoints(keypoints_from_face68(points), float(score))
            if score >= self.threshold
            else None
            for points, score in zip(found.points, found.score, strict=True)
        ]


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


def _pictures(frames: Sequence[np.ndarray], squares: np.ndarray) -> Tensor:
    cuts = np.stack([cut_square(frame, square) for frame, square in zip(frames, squares, strict=True)])
    return torch.from_numpy(cuts).permute(0, 3, 1, 2).float() / 255


def _in_frame(points: Tensor, squares: np.ndarray) -> np.ndarray:
    """Fractions of squares [n, K, 2] as pixels of the frames, float64."""
    sides = (squares[:, 2] - squares[:, 0])[:, None, None]
    return squares[:, None, :2] + points.double().numpy() * sides
