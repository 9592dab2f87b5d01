"""How far a face's box belongs to that face, where somebody else's face lies in it: nobody else's face may change."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

SOFT = 0.2
"""A place is wholly the face's own where another face is farther by this share."""
_REACH = 2
"""Pixels of the crop, or of the frame if they are larger, by which a resampled mask reaches beyond its places."""


def own_share(box: np.ndarray, others: Sequence[np.ndarray], size: int) -> np.ndarray | None:
    """Shares float32 [size, size] of the places in a face's `box` [4]; 0 in what is nearer to another face.

    `others`: the boxes of all other faces in the frame, cut as `box` is. Distances are from the middles of the boxes,
    in their sides, so that large faces reach farther. None where no other box reaches into this one.
    """
    reaching = [
        other for other in others if (np.minimum(box[2:], other[2:]) > np.maximum(box[:2], other[:2])).all()
    ]
    if not reaching:
        return None
    place = (np.arange(size) + 0.5) / size
    x, y = box[0] + place * (box[2] - box[0]), (box[1] + place * (box[3] - box[1]))[:, None]
    own = np.maximum(_distance(box, x, y), 1e-6)
    farther = np.minimum.reduce([_distance(other, x, y) for other in reaching]) / own - 1
    share = np.clip(farther / SOFT, 0, 1).astype(np.float32)
    reach = math.ceil(_REACH * max(1.0, size / float(box[2] - box[0])))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.erode(share, kernel, borderType=cv2.BORDER_REPLICATE))


def _distance(box: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    middle, side = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max()
    return np.hypot(x - middle[0], y - middle[1]) / side
