"""A video's frames on their way through the engine: as pictures, and as their file stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xdub_core.media.picture.orientation import UPRIGHT, Orientation

Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole pixels; x1 and y1 lie outside."""


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """A picture as its file stores it: what RGB cannot hold (super-whites, chroma, transparency) is still there.

    Attributes:
        samples: the decoder's own frame (a PyAV VideoFrame). It may be needed to decode others: never to be changed.
        orientation: how it is turned to stand upright.
    """

    samples: Any
    orientation: Orientation = UPRIGHT


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """A frame of the source: `rgb` [H, W, 3], uint8 or uint16, upright; `stored`: None where no file stores it."""

    rgb: np.ndarray
    stored: StoredPicture | None = None


@dataclass(frozen=True, eq=False)
class FinishedFrame:
    """A frame of the output.

    Attributes:
        rgb: the picture, [H, W, 3] uint8 or uint16.
        source: the frame that it was made of, shaped and typed like it; None for a picture made from nothing.
        changed: rectangles outside of which `rgb` is the source's, bit by bit. They may overlap.
    """

    rgb: np.ndarray
    source: SourceFrame | None = None
    changed: tuple[Rectangle, ...] = ()


def untouched(source: SourceFrame) -> FinishedFrame:
    """A frame of the source that is shown as it is."""
    return FinishedFrame(source.rgb, source)


def rectangle_around(box: np.ndarray, shape: tuple[int, ...]) -> Rectangle:
    """The whole pixels of a picture of shape [H, W, ...] that a box (xyxy, fractions of pixels too) touches."""
    height, width = shape[:2]
    x0, y0 = (max(0, int(np.floor(edge))) for edge in box[:2])
    x1, y1 = (min(size, int(np.ceil(edge))) for edge, size in zip(box[2:], (width, height), strict=True))
    return x0, y0, max(x0, x1), max(y0, y1)
