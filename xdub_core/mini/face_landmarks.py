"""Finding a rendered face and its landmarks: what the demonstration uses instead of RTMW.

Two stages of the same small network: far, the whole frame, to find the face; near, a close-up, to find its points.

    picture ─ fold 4x4 ─ blocks at 1/4 and 1/8 ─ one heat map a landmark at 1/4 ─ centres of mass
                                      └─ is there a face? how far is its mouth open?

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

from xdub_core.errors import SettingsError
from xdub_core.face.detector import Detection, detection_from_keypoints, eight_bit
from xdub_core.face.landmarks import keypoints_from_face68
from xdub_core.face.smoothing import FACE_TO_BOX, FOREHEAD
from xdub_core.mini.labels import LANDMARK_NAMES, MOUTH_POINTS

SIDE = 96
"""Pixels of the network's input."""
FACE_BOX = slice(len(LANDMARK_NAMES), len(LANDMARK_NAMES) + 2)
"""The face box's corners among the points."""
POINTS = FACE_BOX.stop
CROP_FACTOR, CROP_DROP = 1.3, 0.05
"""The standard crop's side in face boxes (the larger side), and how far its middle lies below the box's."""
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
        fine = F.silu(self.fold(F.pixel_unshuffle(2 * pictures - 1, _FOLD)))
        fine = fine + F.silu(self.fine(fine))
        coarse = F.silu(self.down(fine))
        for layer in self.wide:
            coarse = coarse + F.silu(layer(coarse))
        up = F.interpolate(self.up(coarse), scale_factor=2, mode="bilinear", align_corners=False)
        pooled = F.adaptive_avg_pool2d(coarse, 3).flatten(1)
        presence, openness = self.summary(pooled).float().unbind(1)
        return Landmarks(centres_of_mass(self.maps(fine + up).float()), presence, openness), pooled


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
        far, whole = self.far.with_features(_pictures(frames, squares))
        squares = close_ups(_in_frame(far.points, squares))
        near, close = self.near.with_features(_pictures(frames, squares))
        found = FoundFaces(
            _in_frame(near.points, squares), far.presence.sigmoid().numpy(), near.openness.numpy()
        )
        return found, torch.cat([whole, close], dim=1).numpy()


class MiniDetector:
    """The `FaceDetector` of rendered heads; it is not trained on real people.

    Its keypoints are those of `face_keypoints`: tracked and smoothed as RTMW's are, they give crops `crop_factor` times
    as large as the face box. They follow the head, as the mini's training crops do.
    """

    follow = True

    def __init__(
        self, finder: LandmarkFinder, threshold: float = 0.5, crop_factor: float = CROP_FACTOR
    ) -> None:
        if finder.near.config.points != POINTS:
            raise SettingsError(f"a face detector needs {POINTS} points, not {finder.near.config.points}")
        self.finder = finder
        self.threshold = threshold
        self.crop_factor = crop_factor

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002 (the signature of a FaceDetector)
    ) -> list[Detection | None]:
        """The face of each frame, or None; see `FaceDetector`."""
        found = self.finder.find(frames)
        boxes = found.points[:, FACE_BOX].reshape(-1, 4)
        return [
            detection_from_keypoints(face_keypoints(box, self.crop_factor), float(score))
            if score >= self.threshold
            else None
            for box, score in zip(boxes, found.score, strict=True)
        ]


def face_keypoints(face_box: np.ndarray, crop_factor: float = CROP_FACTOR) -> np.ndarray:
    """134 keypoints whose 68 face points are a plain face stretched over a face box [4], xyxy in pixels.

    They do not move with the speech, so neither does the crop. `smooth_boxes` makes crops of them whose side is
    `crop_factor` times the box's larger one, as the standard crop lies: training data and detector cut alike.
    """
    low, high = face_box[:2].astype(np.float64), face_box[2:].astype(np.float64)
    side = (high - low).max()
    middle = (low + high) / 2 + np.array([0.0, CROP_DROP * side])
    return keypoints_from_face68(middle + side * crop_factor / FACE_TO_BOX * (_plain_face() - 0.5))


def _plain_face() -> np.ndarray:
    """68 points [68, 2] of a face that fills 0..1 from its forehead, as the smoothing reckons it, to its chin."""
    angle = np.linspace(np.pi, 0, 17)
    cheek = 0.6
    eye = FOREHEAD * cheek / (1 + FOREHEAD)  # puts the forehead at 0
    rise = (cheek - 1) / (np.sin(angle[3]) - 1)  # puts the cheeks, points 3 and 13, at their height
    jaw = np.stack([0.5 + 0.5 * np.cos(angle), 1 + rise * (np.sin(angle) - 1)], axis=1)
    turn = np.linspace(np.pi, -np.pi, 7)[:6]
    almond = np.stack([0.07 * np.cos(turn), -0.03 * np.sin(turn)], axis=1)
    mouth = np.array([0.5, 0.75])
    ring = np.linspace(np.pi, -np.pi, 13)[:12]
    lips = np.stack([0.15 * np.cos(ring), -0.05 * np.sin(ring)], axis=1)
    parts = [
        jaw,
        np.stack([np.linspace(0.18, 0.42, 5), np.full(5, 0.2)], axis=1),
        np.stack([np.linspace(0.58, 0.82, 5), np.full(5, 0.2)], axis=1),
        np.stack([np.full(4, 0.5), np.linspace(eye, 0.55, 4)], axis=1),
        np.stack([np.linspace(0.42, 0.58, 5), np.full(5, 0.58)], axis=1),
        almond + np.array([0.3, eye]),
        almond + np.array([0.7, eye]),
        lips + mouth,
        0.7 * lips[[0, 2, 3, 4, 6, 8, 9, 10]] + mouth,
    ]
    return np.concatenate(parts)


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
