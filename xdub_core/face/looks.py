"""Recognising people again by their looks: after a gap, after a cut, and where two of them cross.

`CropLooks` needs no network: colours and edges of the face, its hair and what is worn below it, as they lie in the
crop. That tells the people of one video apart who look different; it is no recognition of faces, and knows nobody.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from xdub_core.face.crop import crop_frame


class Looks(Protocol):
    """Describes faces, and says how alike two descriptions are."""

    def describe(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The looks of the face in a box [4] (as `Detection.box`) of a frame: float32 [n]."""
        ...

    def likeness(self, looks: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How alike looks [a, n] and others [b, n] are: float [a, b] in 0..1, 0.5 and more for one person."""
        ...


SIDE = 32
"""Pixels of the face's crop and of the crop below it."""
HEAD, BODY = 1.5, 1.6
"""Their sides in faces."""
CELLS, DIRECTIONS = 4, 6
BODY_SEEN = 0.4
"""Share of the body's crop that must lie in the frame."""
DRESSED = (10.2, 0.08, 0.18, 54.0)
"""Logit of two being one person: this, less a share each of the distances of head's and body's colours and of edges."""
UNDRESSED = (7.9, 0.11, 0.0, 60.0)
"""The same where the body is not seen in both. By rendered heads in other poses, places and lights, clothes counting
less than they could: footage changes them more."""


class CropLooks:
    """`Looks` by colours and edges; see the module's docstring."""

    def describe(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Mean Lab colours of 4 x 4 cells of the head and of the body below, then the head's edges."""
        middle, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
        head = _crop(frame, middle, HEAD * side)
        body = _crop(frame, middle + np.array([0.0, (HEAD + BODY) / 2 * side]), BODY * side)
        height = frame.shape[0]
        seen = float(np.clip((height - (middle[1] + HEAD / 2 * side)) / (BODY * side), 0, 1))
        return np.concatenate([_colors(head), _colors(body), _edges(head), [seen]]).astype(np.float32)

    def likeness(self, looks: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The likeness of heads, and of the bodies where both are seen."""
        return likeness_of(self.logits(looks, others))

    def logits(self, looks: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The likeness as logits, above 0 for one person."""
        size = CELLS * CELLS * 3
        head = _color_distance(looks[:, :size], others[:, :size], _HEAD_CELLS)
        body = _color_distance(looks[:, size : 2 * size], others[:, size : 2 * size], _BODY_CELLS)
        edges = 1 - looks[:, 2 * size : -1] @ others[:, 2 * size : -1].T
        dressed = np.minimum(looks[:, None, -1], others[None, :, -1]) > BODY_SEEN
        logits = (
            most - of_head * head - of_body * body - of_edges * edges
            for most, of_head, of_body, of_edges in (DRESSED, UNDRESSED)
        )
        return np.where(dressed, *logits)


def likeness_of(logits: np.ndarray) -> np.ndarray:
    """Logits of being one person as likeness, 0..1."""
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))


def _crop(frame: np.ndarray, middle: np.ndarray, side: float) -> np.ndarray:
    box = np.concatenate([middle - side / 2, middle + side / 2])
    return crop_frame(frame, box, SIDE)


def _colors(crop: np.ndarray) -> np.ndarray:
    """Mean colours [cells * cells * 3] in Lab of 0 to 255, without the crop's own brightness."""
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)  # L 0..100, a and b about -127..127
    cells = np.asarray(cv2.resize(lab, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)
    cells[..., 0] *= np.float32(2.55)
    cells[..., 0] -= 0.5 * (cells[..., 0].mean() - 128)
    return np.asarray(cells.reshape(-1))


def _edges(crop: np.ndarray) -> np.ndarray:
    """Histograms of gradient directions in each cell, of length 1 as a whole, their square roots."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(x, y)
    strength = strength * _INSIDE
    bins = (angle / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    maps = np.stack([np.where(bins == number, strength, 0) for number in range(DIRECTIONS)], axis=-1)
    cells = cv2.resize(maps, (CELLS, CELLS), interpolation=cv2.INTER_AREA).reshape(-1) + 1e-4
    return np.sqrt(cells / cells.sum())


def _inside() -> np.ndarray:
    """What of a head's crop is head rather than what lies behind: float32 [SIDE, SIDE] in 0..1, an ellipse."""
    place = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    distance = np.hypot(place / 0.36, place[:, None] / 0.46)
    return np.asarray(1 / (1 + distance**8), np.float32)


_INSIDE = _inside()


def _weights(rows: tuple[float, ...], columns: tuple[float, ...]) -> np.ndarray:
    cells = np.outer(rows, columns).reshape(-1)
    return cells / cells.sum()


_HEAD_CELLS = _weights((0.6, 1.0, 1.0, 0.8), (0.3, 1.0, 1.0, 0.3))
_BODY_CELLS = _weights((1.0, 1.0, 0.7, 0.4), (0.2, 1.0, 1.0, 0.2))


def _color_distance(colors: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    difference = (colors[:, None] - others[None]).reshape(len(colors), len(others), -1, 3)
    return np.linalg.norm(difference, axis=-1) @ weights
