"""From a person's box to 134 keypoints: the crop, the flip test, SimCC decoding and the OpenPose order.

released model §6, "Detector networks": box padded by 1.25 and fixed to 288:384, bilinear warp with zeros outside, flip
test on, argmax per axis, score = the smaller of the two maxima.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from xdub_core.face.rtmw import (
    BINS_PER_PIXEL,
    BODY_KEYPOINTS,
    INPUT_HEIGHT,
    INPUT_WIDTH,
    PIXEL_MEAN,
    PIXEL_STD,
)

BOX_PADDING = 1.25
RTMW_SCORE_SCALE = 10.0
"""RTMW's scores are logits of about 0..10; divided by this they are comparable with other backends' (0..1)."""
NECK_THRESHOLD = 0.5
NECK_SCORE = 10.0


def _flip_indices() -> np.ndarray:
    """The keypoint that each of the 133 becomes in a mirror."""
    face = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]  # jaw, brows, nose
    face += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]  # eyes
    face += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]  # lips
    body = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    feet = [20, 21, 22, 17, 18, 19]
    return np.array([*body, *feet, *(23 + i for i in face), *range(112, 133), *range(91, 112)])


FLIP_INDICES = _flip_indices()

OPENPOSE_ORDER = np.array(
    [0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3, *range(18, BODY_KEYPOINTS + 1)]
)
"""For each of the 134 points: its index among the 133 after the neck was inserted as point 17."""


@dataclass(frozen=True)
class CropWindow:
    """The part of a frame that the pose network sees: `center` and `size`, float32 [2] (x, y) in frame pixels."""

    center: np.ndarray
    size: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """The affine map from frame to crop pixels, float64 [2, 3]."""
        factor = INPUT_WIDTH / np.float64(self.size[0])
        offset = np.array([INPUT_WIDTH, INPUT_HEIGHT]) / 2 - factor * self.center.astype(np.float64)
        return np.array([[factor, 0, offset[0]], [0, factor, offset[1]]])


def crop_window(box: np.ndarray) -> CropWindow:
    """The window for a person's box (xyxy): padded, and widened or heightened to the network's aspect."""
    box = np.asarray(box, np.float32)
    width, height = (box[2:] - box[:2]) * np.float32(BOX_PADDING)
    aspect = INPUT_WIDTH / INPUT_HEIGHT
    size = (width, width / aspect) if width > height * aspect else (height * aspect, height)
    return CropWindow((box[2:] + box[:2]) * np.float32(0.5), np.array(size, np.float32))


def warp_crop(frame: np.ndarray, window: CropWindow) -> np.ndarray:
    """The window's pixels, uint8 [384, 288, 3]; black where the window leaves the frame."""
    return cv2.warpAffine(frame, window.matrix, (INPUT_WIDTH, INPUT_HEIGHT), flags=cv2.INTER_LINEAR)


def pose_input(crops: np.ndarray) -> Tensor:
    """Crops [B, 384, 288, 3] (RGB uint8) normalised for the network: float32 [B, 3, 384, 288]."""
    pixels = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    return (pixels - mean) / std


def flip_test(network: Callable[[Tensor], tuple[Tensor, Tensor]], crops: Tensor) -> tuple[Tensor, Tensor]:
    """x and y logits averaged over the crops and their mirror images, float32."""
    (x, mirrored_x), (y, mirrored_y) = (
        v.float().chunk(2) for v in network(torch.cat([crops, crops.flip(-1)]))
    )
    swap = torch.from_numpy(FLIP_INDICES).to(x.device)
    return (x + mirrored_x[:, swap].flip(-1)) * 0.5, (y + mirrored_y[:, swap]) * 0.5


def decode_simcc(x_logits: Tensor, y_logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Points [..., 2] in crop pixels (float32) and raw scores [...] (about 0..10) of SimCC logits [..., bins].

    A point whose score is not positive is unknown: (-0.5, -0.5), as the release has it.
    """
    (x_score, x_bin), (y_score, y_bin) = x_logits.max(-1), y_logits.max(-1)
    score = torch.minimum(x_score, y_score)
    bins = torch.stack([x_bin, y_bin], -1).float()
    points = torch.where(score[..., None] > 0, bins, -1.0) / BINS_PER_PIXEL
    return points.cpu().numpy(), score.cpu().numpy()


def to_frame(points: np.ndarray, window: CropWindow) -> np.ndarray:
    """Crop pixels -> frame pixels, float32 [..., 2]."""
    size = np.array([INPUT_WIDTH, INPUT_HEIGHT], np.float32)
    return points / size * window.size + window.center - np.float32(0.5) * window.size


def openpose_order(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """133 COCO-WholeBody points [133, 2] and raw scores [133] -> 134 with the neck, in OpenPose order.

    The neck is the middle of the shoulders; its score is 10 where both shoulders score more than 0.5, else 0.
    """
    shoulders = slice(5, 7)
    known = bool((scores[shoulders] > NECK_THRESHOLD).all())
    points = np.insert(points, 17, points[shoulders].mean(0), axis=0)
    scores = np.insert(scores, 17, NECK_SCORE if known else 0.0)
    return points[OPENPOSE_ORDER], scores[OPENPOSE_ORDER]
