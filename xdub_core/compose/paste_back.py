"""Paste-back: the generated crop goes into the full frame (X-DUB facts §5).

The default carries over the *change* and not the crop: generated minus source crop, feathered towards the box's
edge, resampled, and added to the source frame. Where the model changed nothing, the frame's own pixels stay as they
were, with their grain, skin and sharpness; a crop that is not changed at all gives the frame back bit by bit.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import cv2
import numpy as np

from xdub_core.compose.border import FRAME_KERNEL, FRAME_RING, blend_border, ring_mask
from xdub_core.face.crop import crop_to_frame

PasteMode = Literal["change", "crop", "reference"]

FEATHER = 3 / 32
"""Width of the soft edge, as a fraction of the crop's side: 48 of 512 pixels, 32 of which the border lock holds."""


_GATE_SIZE = 128
_MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, dtype=np.float32)
GATE_BLUR = 1 / 48
"""Sigma of the blur under which changes are judged, as a fraction of the crop's side."""
GATE = (0.015, 0.045)
"""Below the first of these mean absolute differences, of 0..1, nothing has changed; above the second all has."""


def paste_back(
    frame: np.ndarray,
    generated: np.ndarray,
    source: np.ndarray,
    box: np.ndarray,
    mode: PasteMode = "change",
    unchanged: np.ndarray | None = None,
) -> np.ndarray:
    """The frame with the generated crop in its box; pixels outside the box are bit-identical to `frame`'s.

    `frame`: uint8 or uint16 [height, width, 3], not modified; `generated`, `source`: float32 [size, size, 3] in 0..1,
    the new crop and the one cut from this frame; `box`: xyxy, where `source` was cut.

    "change": add the difference of the two crops, and where `unchanged` is given (the source crop as the codec gives
    it back, shaped like it) only where the generated one differs from that: see `change_gate`. "crop": blend in the
    whole generated crop, for those who prefer the model's picture throughout. "reference": as the release does, in
    8 bits, at whole pixels.
    """
    if mode == "reference":
        return _paste_as_released(frame, generated, source, box)
    result = frame.copy()
    rows, columns = _pixels_inside(box, frame.shape)
    region = result[rows, columns]
    if not region.size:  # no pixel lies inside the box entirely
        return result
    feather = feather_mask(len(generated))
    scale = float(np.iinfo(frame.dtype).max)
    if mode == "change":
        if unchanged is not None:
            feather = cv2.multiply(feather, change_gate(generated, unchanged))
        change = cv2.multiply(cv2.subtract(generated, source), feather, scale=scale)
        layer = _to_frame(change, box, rows, columns)
    else:
        alpha = _to_frame(feather, box, rows, columns)
        layer = (_to_frame(generated * scale, box, rows, columns, cv2.BORDER_REPLICATE) - region) * alpha
    depth = cv2.CV_8U if frame.dtype == np.uint8 else cv2.CV_16U
    result[rows, columns] = cv2.add(
        region, layer.astype(np.float32, copy=False), dtype=depth
    )  # rounds, saturates
    return result


@cache
def feather_mask(size: int) -> np.ndarray:
    """How much of a change counts, float32 [size, size, 3]: 0 at the edge, 1 inside, smooth between. Shared."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    ramp = np.clip(distance / (FEATHER * size), 0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    mask = np.repeat(np.outer(smooth, smooth).astype(np.float32)[..., None], 3, axis=2)
    mask.setflags(write=False)
    return mask


def change_gate(generated: np.ndarray, unchanged: np.ndarray) -> np.ndarray:
    """Where the model changed the picture: float32 [size, size, 3], 0 (not) to 1 (fully), smooth.

    Both crops came out of the codec, so what it cannot keep (fine hair, grain, sharp edges) counts as no change.
    """
    size = len(generated)
    difference = cv2.transform(cv2.absdiff(generated, unchanged), _MEAN_OF_CHANNELS)
    if size > _GATE_SIZE:  # it is blurred anyway
        difference = cv2.resize(difference, (_GATE_SIZE, _GATE_SIZE), interpolation=cv2.INTER_AREA)
    difference = cv2.GaussianBlur(difference, (0, 0), GATE_BLUR * len(difference))
    low, high = GATE
    ramp = np.clip((difference - low) / (high - low), 0, 1)
    gate = ramp * ramp * (3 - 2 * ramp)
    return cv2.merge([gate if size <= _GATE_SIZE else cv2.resize(gate, (size, size))] * 3)


def _pixels_inside(box: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the frame whose pixels lie inside the box entirely."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    columns = slice(max(0, int(np.ceil(x0))), min(shape[1], int(np.floor(x1))))
    return slice(max(0, int(np.ceil(y0))), min(shape[0], int(np.floor(y1)))), columns


def _to_frame(
    crop: np.ndarray, box: np.ndarray, rows: slice, columns: slice, border: int = cv2.BORDER_CONSTANT
) -> np.ndarray:
    """Resample a crop onto the frame's pixels in `rows` and `columns`; outside the crop, zero (or replicated)."""
    shrink = round(len(crop) / max(1.0, box[2] - box[0]))
    if shrink > 1:  # several crop pixels to one of the frame: average them first
        size = len(crop) // shrink
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    to_frame = crop_to_frame(box, len(crop))
    to_frame[:, 2] -= (columns.start, rows.start)
    shape = (columns.stop - columns.start, rows.stop - rows.start)
    return cv2.warpAffine(crop, to_frame, shape, flags=cv2.INTER_LINEAR, borderMode=border)


def _paste_as_released(
    frame: np.ndarray, generated: np.ndarray, source: np.ndarray, box: np.ndarray
) -> np.ndarray:
    x0, y0, x1, y1 = (int(edge) for edge in box)
    height, width = frame.shape[:2]
    crop = truncated(blend_border(generated * 255, source * 255))
    crop = cv2.resize(crop, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    sides = (x0 > 0, y0 > 0, x1 < width, y1 < height)
    mask = ring_mask(y1 - y0, x1 - x0, FRAME_RING, FRAME_KERNEL, sides)[..., None]
    result = frame.copy()
    region = result[y0:y1, x0:x1].astype(np.float32)
    depth = np.iinfo(frame.dtype).max / 255
    blended = region + (crop * np.float32(depth) - region) * mask
    result[y0:y1, x0:x1] = blended.astype(frame.dtype)
    return result


def truncated(image: np.ndarray) -> np.ndarray:
    """0..255 as uint8, fractions cut off, as the release quantises at every stage."""
    return np.clip(image + 1e-4, 0, 255).astype(np.uint8)
