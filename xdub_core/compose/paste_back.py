"""Paste-back: the generated crop goes into the full frame (released model §5).

By default only what the model *changed* is carried over: within that region (see `region`) the frame comes from the
generated crop alone, so nothing is left of the old lips and the old jaw, with the source's grain put back (see
`grain`); everywhere else the frame's own pixels stay as they were, bit by bit. A soft edge lies between.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import cv2
import numpy as np

from xdub_core.compose.border_blend import FRAME_KERNEL, FRAME_RING, blend_border, ring_mask
from xdub_core.compose.grain import grain_of
from xdub_core.compose.region import changed_region
from xdub_core.face.crop import crop_to_frame
from xdub_core.media.picture.frame import Rectangle, rectangle_around

PasteMode = Literal["change", "crop", "as_released"]

CHROMA_REACH = 4
"""Pixels inside the box that keep theirs: players spread halved chroma of a changed pixel over so many beside it."""
FEATHER = 3 / 32
"""Width of the soft edge, as a fraction of the crop's side: 48 of 512 pixels, 32 of which the border lock holds."""


def paste_back(
    frame: np.ndarray,
    generated: np.ndarray,
    source: np.ndarray,
    box: np.ndarray,
    mode: PasteMode = "change",
    source_through_vae: np.ndarray | None = None,
    region: np.ndarray | None = None,
    onto: np.ndarray | None = None,
    strength: float = 1.0,
    share: np.ndarray | None = None,
) -> np.ndarray:
    """The frame with the generated crop in its box; pixels outside the box are bit-identical to `frame`'s.

    `frame`: uint8 or uint16 [height, width, 3], not modified; `generated`, `source`: float32 [size, size, 3] in 0..1,
    the new crop and the one cut from this frame; `box`: xyxy, where `source` was cut.

    "change": put in what the model changed. `source_through_vae` is the source crop as the VAE gives it back, shaped
    like it; without it, what the VAE loses counts as changed. `region`: what `region.with_regions` gives for this frame
    of a video; without it, this frame is judged by itself. "crop": blend in the whole generated crop, for those who
    prefer the model's picture throughout. "as_released": as the release does, in 8 bits, at whole pixels.

    `onto`: the frame with other faces pasted in already, which the result is made of; None: the frame itself.
    `strength`, in 0..1: how much of it all goes in; 0 leaves `onto` as it is, bit by bit. `share`: the same for each
    place of the crop, float32 [n, n] of any size, but for "as_released"; see `own_face`.
    """
    onto = frame if onto is None else onto
    if mode == "as_released":
        return _paste_as_released(onto, generated, source, box, strength)
    if mode == "crop":
        window = _pixels_inside(box, frame.shape)
        if _is_empty(window):
            return onto.copy()
        new = _to_frame(_scaled(generated, frame), box, window, cv2.BORDER_REPLICATE)
        inside = _of_share(feather_mask(len(generated)), share)
        mask = _faded(_to_frame(inside, box, window), strength)
        return _blended(onto, new, mask, window)
    region = changed_region(generated, source, source_through_vae) if region is None else region
    window = _window_of(region, box, frame.shape)
    if _is_empty(window):
        return onto.copy()
    before = source if source_through_vae is None else source_through_vae
    crops = (_scaled(crop, frame) for crop in (generated, before))
    new, kept = (_to_frame(crop, box, window, cv2.BORDER_REPLICATE) for crop in crops)
    changed, replaced = cv2.split(region)
    alpha, replaced = (
        _to_frame(_of_share(mask, share), box, window)
        for mask in (changed * feather_mask(len(region)), replaced)
    )
    grain = grain_of(frame[window].astype(np.float32), kept, alpha, replaced)
    return _blended(onto, cv2.add(new, grain, dst=new), _faded(alpha, strength), window)


def touched_rectangle(box: np.ndarray, shape: tuple[int, ...], region: np.ndarray | None = None) -> Rectangle:
    """The rectangle outside of which `paste_back` keeps a frame of `shape` as it is, bit by bit.

    With the `region` of mode "change", it is only as large as that; empty where nothing was changed.
    """
    if region is None:
        return rectangle_around(box, shape)
    rows, columns = _window_of(region, box, shape)
    return columns.start, rows.start, columns.stop, rows.stop


@cache
def feather_mask(size: int) -> np.ndarray:
    """How much of a change counts, float32 [size, size]: 0 at the edge, 1 inside, smooth between. Shared."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    ramp = np.clip(distance / (FEATHER * size), 0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    mask: np.ndarray = np.outer(smooth, smooth).astype(np.float32)
    mask.setflags(write=False)
    return mask


def _of_share(mask: np.ndarray, share: np.ndarray | None) -> np.ndarray:
    if share is None:
        return mask
    if share.shape != mask.shape:
        share = cv2.resize(share, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return mask * share


def _scaled(crop: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """A crop in the unit of a frame's pixels."""
    return crop * np.float32(np.iinfo(frame.dtype).max)


def _blended(
    frame: np.ndarray, new: np.ndarray, alpha: np.ndarray, window: tuple[slice, slice]
) -> np.ndarray:
    """A copy of the frame with `alpha` of `new` in its window; `new` is used up."""
    result, part = frame.copy(), frame[window].astype(np.float32)
    layer = cv2.multiply(cv2.subtract(new, part, dst=new), cv2.merge([alpha] * 3), dst=new)
    depth = cv2.CV_8U if frame.dtype == np.uint8 else cv2.CV_16U
    result[window] = cv2.add(part, layer, dtype=depth)  # rounds, saturates
    return result


def _faded(mask: np.ndarray, strength: float) -> np.ndarray:
    return mask * np.float32(strength)


def _is_empty(window: tuple[slice, slice]) -> bool:
    return any(pixels.start >= pixels.stop for pixels in window)


def _pixels_inside(box: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the frame whose pixels lie inside the box entirely."""
    return _pixels_between(np.ceil(box[:2]), np.floor(box[2:]), shape)


def _window_of(region: np.ndarray, box: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Those of them that the region's pixels above 0 reach into; empty where there are none."""
    x, y, width, height = cv2.boundingRect((region[..., 0] > 0).view(np.uint8))
    if not width:
        return slice(0, 0), slice(0, 0)
    scale = (box[2:] - box[:2]) / len(region)
    low = box[:2] + (np.array([x, y]) - 1) * scale
    high = box[:2] + (np.array([x + width, y + height]) + 1) * scale
    low = np.maximum(np.floor(low), np.ceil(box[:2]) + CHROMA_REACH)
    high = np.minimum(np.ceil(high), np.floor(box[2:]) - CHROMA_REACH)
    return _pixels_between(low, high, shape)


def _pixels_between(low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a frame from the point `low` to the point `high`, both (x, y)."""
    left, top = (max(0, int(edge)) for edge in low)
    right, bottom = (min(int(edge), size) for edge, size in zip(high, (shape[1], shape[0]), strict=True))
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def _to_frame(
    crop: np.ndarray, box: np.ndarray, window: tuple[slice, slice], border: int = cv2.BORDER_CONSTANT
) -> np.ndarray:
    """Resample a crop onto a window (rows, columns) of the frame; outside the crop, zero (or replicated)."""
    rows, columns = window
    shrink = round(len(crop) / max(1.0, box[2] - box[0]))
    if shrink > 1:  # several crop pixels to one of the frame: average them first
        size = len(crop) // shrink
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    to_frame = crop_to_frame(box, len(crop))
    to_frame[:, 2] -= (columns.start, rows.start)
    shape = (columns.stop - columns.start, rows.stop - rows.start)
    kernel = cv2.INTER_LINEAR if crop.ndim == 2 else cv2.INTER_CUBIC
    return cv2.warpAffine(crop, to_frame, shape, flags=kernel, borderMode=border)


def _paste_as_released(
    frame: np.ndarray, generated: np.ndarray, source: np.ndarray, box: np.ndarray, strength: float
) -> np.ndarray:
    x0, y0, x1, y1 = (int(edge) for edge in box)
    height, width = frame.shape[:2]
    crop = truncated(blend_border(generated * 255, source * 255))
    crop = cv2.resize(crop, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    sides = (x0 > 0, y0 > 0, x1 < width, y1 < height)
    mask = _faded(ring_mask(y1 - y0, x1 - x0, FRAME_RING, FRAME_KERNEL, sides), strength)[..., None]
    result = frame.copy()
    region = result[y0:y1, x0:x1].astype(np.float32)
    depth = np.iinfo(frame.dtype).max / 255
    blended = region + (crop * np.float32(depth) - region) * mask
    result[y0:y1, x0:x1] = blended.astype(frame.dtype)
    return result


def truncated(image: np.ndarray) -> np.ndarray:
    """0..255 as uint8, fractions cut off, as the release quantises at every stage."""
    return np.clip(image + 1e-4, 0, 255).astype(np.uint8)
