"""Grain of the camera: what a frame has and its crop has not, where that is noise and not structure."""

from __future__ import annotations

import cv2
import numpy as np

GRAIN_QUANTILE = 0.3
"""Quantile of the local energies that is held to be grain: more than half of a face may be beard or wrinkles."""
GRAIN, STRUCTURE = 1.3, 2.0
"""Up to the first multiple of the grain's energy a residual is grain, from the second on structure."""
PATCHES = (48, 24, 12)
"""Sides of the patch of pure grain that stands in where the residual is structure, in pixels of the frame: the first
in which there is none of it."""

_BLUR = 1.0  # sigma of the energy's window, in pixels of half the frame's size
_LEAST = 1e-6
_MOST_GAIN = 2.0
_CALM = 2.5  # mean square of how far a patch of grain is off the level, as a factor
_MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, dtype=np.float32)


def grain_of(part: np.ndarray, kept: np.ndarray, alpha: np.ndarray, replaced: np.ndarray) -> np.ndarray:
    """What a part of a frame has and its crop has not, to go onto another crop: float32 [height, width, 3].

    `part`: of the frame; `kept`: its crop through the VAE, at the same size; both float32 [height,
    width, 3]. `alpha`, `replaced`: float32 [height, width] in 0..1, where any of it is needed, and where the picture
    beneath became another one.

    Where the local energy of what the crop lacks is at the grain's level, it is the camera's own grain. Where it is
    more (edges of the old lips, hair, wrinkles) and the picture is replaced, grain from the calmest patch nearby takes
    its place, or a line without grain would trace the old edge.
    """
    residual = cv2.subtract(part, kept)
    energy = _local_energy(residual)
    needed = energy[cv2.resize(alpha, energy.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0]
    if not len(needed):
        return np.zeros_like(residual)
    level = max(float(np.quantile(needed[:: 1 + len(needed) // 20_000], GRAIN_QUANTILE)), _LEAST)
    share = np.clip((STRUCTURE - energy / level) / (STRUCTURE - GRAIN), 0, 1)
    share = share * share * (3 - 2 * share)
    size = residual.shape[1::-1]
    own = np.clip(np.maximum(cv2.resize(share, size), 1 - replaced), 0, 1)
    patch = _calmest_patch(energy, level)
    filling = _tiled(_filling(residual[patch], part[patch], kept[patch], level), size)
    filling = cv2.multiply(filling, cv2.merge([cv2.sqrt(1 - own * own)] * 3), dst=filling)
    return cv2.add(filling, cv2.multiply(residual, cv2.merge([own] * 3), dst=residual), dst=filling)


def _local_energy(residual: np.ndarray) -> np.ndarray:
    """Mean square around each pixel, at half the size: float32 [ceil(height / 2), ceil(width / 2)]."""
    square = cv2.transform(cv2.multiply(residual, residual), _MEAN_OF_CHANNELS)
    half = ((square.shape[1] + 1) // 2, (square.shape[0] + 1) // 2)
    return cv2.GaussianBlur(cv2.resize(square, half, interpolation=cv2.INTER_AREA), (0, 0), _BLUR)


def _calmest_patch(energy: np.ndarray, level: float) -> tuple[slice, slice]:
    """Rows and columns of the square, at twice the size of `energy`, in which that is nearest to `level` all over."""
    odd = energy / level
    odd = np.maximum(odd, 1 / np.maximum(odd, _LEAST))
    odd = np.minimum(odd * odd, 1 / _LEAST)
    for patch in PATCHES:
        side = min(patch // 2, *energy.shape)
        score = cv2.blur(odd, (side, side), anchor=(0, 0))[: len(odd) - side + 1, : odd.shape[1] - side + 1]
        row, column = (int(place) for place in np.unravel_index(np.argmin(score), score.shape))
        if score[row, column] < _CALM:
            break
    return slice(2 * row, 2 * (row + side)), slice(2 * column, 2 * (column + side))


def _filling(residual: np.ndarray, part: np.ndarray, kept: np.ndarray, level: float) -> np.ndarray:
    """The residual of a patch, as strong as grain has to be that comes onto a crop from elsewhere.

    A crop holds some of the grain, and its own residual adds up with that to all of it. Residual from elsewhere does
    not match it, and adds up by energy only.
    """
    filling = residual - residual.mean(axis=(0, 1))
    energy = max(float(np.mean(filling * filling)), _LEAST)
    lacking = float(np.mean(_fine(part) ** 2) - np.mean(_fine(kept) ** 2))
    wanted = min(energy, GRAIN * level) * min(max(lacking / energy, 1.0), _MOST_GAIN)
    return filling * np.float32(np.sqrt(wanted / energy))


def _fine(picture: np.ndarray) -> np.ndarray:
    return cv2.subtract(picture, cv2.GaussianBlur(picture, (0, 0), 3.0))


def _tiled(patch: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A patch mirrored to and fro over an area of `size` (width, height)."""
    height, width = patch.shape[:2]
    bottom, right = max(0, size[1] - height), max(0, size[0] - width)
    tiled = cv2.copyMakeBorder(patch, 0, bottom, 0, right, cv2.BORDER_REFLECT)
    return tiled[: size[1], : size[0]]
