"""Square crops of a face box: sub-pixel by one affine warp, or as the release cuts them (released model §5, §6)."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

CropMode = Literal["subpixel", "as_released"]


def crop_frame(
    frame: np.ndarray, box: np.ndarray, size: int = 512, mode: CropMode = "subpixel"
) -> np.ndarray:
    """The box's content, resized to `size` pixels square: float32 [size, size, 3] in 0..1.

    `frame`: uint8 or uint16 [height, width, 3]; `box`: xyxy, in pixels, edges at continuous positions.

    "subpixel": one affine warp, bilinear, with samples averaged where the box is much larger than the crop, so that
    a box that moves by a fraction of a pixel moves the crop by that fraction. "as_released": the box is cut at whole
    pixels and resized in 8 bits with the release's antialiased bilinear filter.
    """
    if mode == "as_released":
        return _reference_crop(frame, box, size)
    return _as_unit(_subpixel_crop(frame, box, size))


def crop_to_frame(box: np.ndarray, size: int) -> np.ndarray:
    """The affine map from crop pixels to frame pixels, float64 [2, 3]; pixel centres are whole numbers."""
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    scale_x, scale_y = (x1 - x0) / size, (y1 - y0) / size
    return np.array([[scale_x, 0, x0 + scale_x / 2 - 0.5], [0, scale_y, y0 + scale_y / 2 - 0.5]])


def _subpixel_crop(frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    samples = max(1, round((box[2] - box[0]) / size))  # per crop pixel and axis
    to_frame = crop_to_frame(box, size * samples)
    shape = (size * samples, size * samples)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(frame, to_frame, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop if samples == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def _reference_crop(frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    x0, y0, x1, y1 = (int(edge) for edge in box)
    cut = frame[y0:y1, x0:x1]
    if cut.dtype == np.uint16:
        cut = (cut >> 8).astype(np.uint8)
    for _ in range(2):  # width, then height, each rounded to 8 bits
        weights = triangle_weights(cut.shape[1], size)
        resized = np.einsum("hwc,sw->hsc", cut.astype(np.float64), weights)
        cut = np.floor(resized + 0.5).astype(np.uint8).transpose(1, 0, 2)
    return cut.astype(np.float32) / 255


def triangle_weights(length: int, size: int) -> np.ndarray:
    """Antialiased bilinear resampling of `length` pixels to `size`, as a matrix [size, length] with rows of sum 1."""
    scale = length / size
    reach = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(length)[None] + 0.5 - centres[:, None]) / reach
    weights = np.maximum(0, 1 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


def _as_unit(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
