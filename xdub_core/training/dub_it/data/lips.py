"""From the mouths that were found to what is masked: the lips with a margin, and the latent cells of the face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xdub_core.evaluation.dub_it.judges import FoundMouths
from xdub_core.files import write_whole

from ..fine_mask import coarse_mask, lip_mask

MARGIN = 0.5
"""Around the lips, in mouth widths: where they may be when they say something else. (An estimate.)"""
LEAST_HEIGHT = 0.5
"""Of a mouth that is shut, in its widths."""


def lip_boxes(mouths: FoundMouths, margin: float = MARGIN) -> np.ndarray:
    """The lips of each frame with a margin: [n, 4] xyxy in pixels, NaN where none were found."""
    low, high = mouths.points.min(axis=1), mouths.points.max(axis=1)
    width, height = (high - low).T
    half = np.stack([width, np.maximum(height, LEAST_HEIGHT * width)], axis=1) / 2 + margin * width[:, None]
    middle = (low + high) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def face_cells(mouths: FoundMouths, frames: range, size: tuple[int, int]) -> Tensor:
    """Latent cells of a part of a clip in which the face is: 0 or 1, [latent frames, height, width].

    `size`: the clip's width and height.
    """
    faces = mouths.faces[frames.start : frames.stop]
    shown = lip_mask(faces, range(len(faces)), len(faces), size)
    return coarse_mask(torch.from_numpy(shown)).float()


def write_mouths(path: Path, mouths: FoundMouths) -> None:
    """Write mouths, whole or not at all."""

    def save(file: Path) -> None:
        with file.open("wb") as opened:
            np.savez(opened, points=mouths.points, faces=mouths.faces)

    write_whole(path, save)


def read_mouths(path: Path) -> FoundMouths:
    """Mouths as they were written."""
    with np.load(path, allow_pickle=False) as kept:
        return FoundMouths(kept["points"], kept["faces"])
