"""Finding every rendered face in a frame, however many there are, by the landmark finder's own two networks.

    frame at several sizes - far network's heat maps - where all points lie as in a face: candidates
    each candidate - near network, twice, then the far one - logistic regression over both networks' features: a face?

The far network was trained on pictures with one face, whose points are centres of mass over the whole picture. Its heat
maps have a peak at every face all the same, if the face has the right size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.face.overlap import distinct_boxes
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.face_landmarks import (
    FACE_BOX,
    POINTS,
    LandmarkFinder,
    LandmarkNet,
    close_ups,
    in_frame,
    pictures_of,
)
from xdub_core.mini.network_files import load_network
from xdub_core.weights.tensor_file import open_tensors

FACE_SEARCH = "face_search.safetensors"
LONG_SIDES = (96, 136, 192, 272)
"""Pixels that the frame's longer side is brought to, one after the other,"""
LARGE_FRAME, LONGEST_SIDE = 720, 384
"""and one more where a frame is at least so large: faces may be smaller in it."""
FACE_CELLS = (4.5, 5.6, 7.0, 8.8, 11.0)
"""Sides of faces that are looked for, in cells of the heat maps (4 pixels each)."""
CANDIDATES, PROMISING = 8, 1.1
"""How many candidates are looked at, and how far (in standard deviations, on average) their points stand out."""
_STRONGEST, _AROUND = 4.0, 1.7


class CloseUps(NamedTuple):
    """`points` float64 [n, K, 2] in pixels; `features` float64 [n, features]; `openness` [n] of the mouths."""

    points: np.ndarray
    features: np.ndarray
    openness: np.ndarray

    @property
    def boxes(self) -> np.ndarray:
        """The face boxes [n, 4], xyxy."""
        return self.points[:, FACE_BOX].reshape(-1, 4)


@dataclass(frozen=True, eq=False)
class FaceSearch:
    """Searches frames. `shape` float64 [K, 2]: the points of a plain face, in sides of its box from its middle.

    `weights` [features], `bias`: of the logistic regression over `CloseUps.features`.
    """

    finder: LandmarkFinder
    shape: np.ndarray
    weights: np.ndarray
    bias: float

    def candidates(self, frame: np.ndarray) -> np.ndarray:
        """Boxes [n, 4] in a uint8 frame where faces may be, the most promising first; many hold none."""
        height, width = frame.shape[:2]
        longer = max(height, width)
        sides = (*LONG_SIDES, LONGEST_SIDE) if longer >= LARGE_FRAME else LONG_SIDES
        peaks = np.concatenate([self._peaks(frame, side / longer) for side in sides])
        peaks = peaks[np.argsort(-peaks[:, 4], kind="stable")]
        return peaks[distinct_boxes(peaks[:, :4], most=CANDIDATES), :4]

    @torch.no_grad()
    def close_ups(self, frame: np.ndarray, boxes: np.ndarray) -> CloseUps:
        """A close look at what may be faces in boxes [n, 4] of a uint8 frame."""
        count = len(boxes)
        if not count:
            return CloseUps(np.zeros((0, POINTS, 2)), np.zeros((0, len(self.weights))), np.zeros(0))
        middles, sides = _middles(boxes)
        points = middles[:, None] + sides[:, None, None] * self.shape
        for _ in range(2):
            squares = close_ups(points)
            near, close = self.finder.near.with_features(pictures_of([frame] * count, squares))
            points = in_frame(near.points, squares)
        middles, sides = _middles(points[:, FACE_BOX].reshape(-1, 4))
        half = _AROUND * sides[:, None] / 2
        squares = np.concatenate([middles - half, middles + half], axis=1)
        far, whole = self.finder.far.with_features(pictures_of([frame] * count, squares))
        apart = np.abs(in_frame(far.points, squares) - points).mean((1, 2)) / sides
        told = [far.presence.double().numpy(), _tenfold(apart), _tenfold(self._misshapen(points))]
        features = [close.double().numpy(), whole.double().numpy(), np.stack(told, axis=1)]
        return CloseUps(points, np.concatenate(features, axis=1), near.openness.double().numpy())

    def logits(self, close: CloseUps) -> np.ndarray:
        """How surely each is a face [n]: above 0 for one."""
        return close.features @ self.weights + self.bias

    def _peaks(self, frame: np.ndarray, scale: float) -> np.ndarray:
        """Boxes and how far they stand out [n, 5], from the frame at one scale."""
        height, width = frame.shape[:2]
        size = tuple(max(4, round(side * scale / 8)) * 8 for side in (width, height))
        shrunk = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        parts = _standing_out(self.finder.far, shrunk)
        cell = 4 * np.array([width, height]) / size
        scores = np.stack([self._scores(parts, side) for side in FACE_CELLS])
        highest = np.stack([cv2.dilate(score, np.ones((3, 3), np.uint8)) for score in scores])
        sizes, rows, columns = np.nonzero((scores == highest) & (scores > PROMISING))
        middles = (np.stack([columns, rows], axis=1) + 0.5) * cell
        half = np.array(FACE_CELLS)[sizes, None] * cell[0] / 2
        return np.concatenate([middles - half, middles + half, scores[sizes, rows, columns, None]], axis=1)

    def _scores(self, parts: np.ndarray, side: float) -> np.ndarray:
        """How well a face of `side` cells fits at each place: the mean of its points' maps where they should be."""
        rows, columns = parts.shape[1:]
        total = np.zeros((rows, columns), np.float32)
        for part, (x, y) in zip(parts, side * self.shape, strict=True):
            moved = np.array([[1, 0, -x], [0, 1, -y]])
            total += cv2.warpAffine(part, moved, (columns, rows), flags=cv2.INTER_LINEAR, borderValue=-1.0)
        return total / len(parts)

    def _misshapen(self, points: np.ndarray) -> np.ndarray:
        """How far points [n, K, 2] are from a plain face moved, turned and scaled to fit, in its sides; [n]."""
        seen = points - points.mean(1, keepdims=True)
        plain = self.shape - self.shape.mean(0)
        seen_, plain_ = seen[..., 0] + 1j * seen[..., 1], plain[:, 0] + 1j * plain[:, 1]
        turn = (seen_ @ plain_.conj()) / (np.abs(plain_) ** 2).sum()
        rest = np.abs(seen_ - turn[:, None] * plain_)
        return np.sqrt((rest**2).mean(1)) / np.maximum(np.abs(turn), 1e-6)


def load_face_search(folder: Path = BUILT_IN) -> FaceSearch:
    """The search in a mini's folder. Raises MissingModelError or CheckpointError where it is not whole."""
    path = folder / FACE_SEARCH
    if not path.is_file():
        raise MissingModelError(f"xdub-mini lacks {path}: get the folder whole")
    try:
        file = open_tensors(path)
        shape, weights = (file.read(name).double().numpy() for name in ("shape", "weights"))
        bias = float(file.read("bias")[0])
    except (CheckpointError, IndexError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error.__cause__ or error}): get the folder whole"
        ) from None
    finder = LandmarkFinder(load_network("landmarks_far", folder), load_network("landmarks_near", folder))
    return FaceSearch(finder, shape, weights, bias)


@torch.no_grad()
def _standing_out(network: LandmarkNet, picture: np.ndarray) -> np.ndarray:
    """Each point's heat map in standard deviations from its mean, float32 [K, h, w]; a cell's neighbours count too."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    maps = network.heat_maps(pixels)[0].numpy()
    mean, deviation = maps.mean((1, 2), keepdims=True), maps.std((1, 2), keepdims=True)
    parts = np.clip((maps - mean) / (deviation + 1e-6), -2, _STRONGEST)
    return np.stack([cv2.dilate(part, np.ones((3, 3), np.uint8)) for part in parts])


def _middles(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middles [n, 2] and longer sides [n] of boxes, 8 pixels at least."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1).clip(8)


def _tenfold(shares: np.ndarray) -> np.ndarray:
    return 10 * np.minimum(shares, 1)
