"""The preview: source and dubbed frame side by side, for judging a dub at a glance."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from xdub_core.media.picture.frame import FinishedFrame, Rectangle, SourceFrame, rectangle_around
from xdub_core.media.picture.source_samples import stored_twice

BOX_COLOR = (255, 196, 0)
CAPTION_COLOR = (255, 255, 255)
_CAPTION_HEIGHT = 1 / 24  # of the frame's


def side_by_side(dubbed: FinishedFrame, boxes: Iterable[np.ndarray] = ()) -> FinishedFrame:
    """[height, 2 * width, 3]: the source left, with the face boxes outlined, the dub right.

    What is neither drawn here nor dubbed is the source's own. `dubbed` knows its source, and is not modified.
    """
    assert dubbed.source is not None
    source, width = dubbed.source, dubbed.rgb.shape[1]
    both = np.concatenate([source.rgb, dubbed.rgb], axis=1)
    changed: list[Rectangle] = [(x0 + width, y0, x1 + width, y1) for x0, y0, x1, y1 in dubbed.changed]
    changed += [_outline(both, box) for box in boxes]
    for left, caption in ((0, "source"), (width, "dubbed")):
        changed.append(_write(both, left, caption))
    stored = None if source.stored is None else stored_twice(source.stored)
    twice = SourceFrame(np.concatenate([source.rgb, source.rgb], axis=1), stored)
    return FinishedFrame(both, twice, tuple(changed))


def with_box(frame: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """A copy of a frame (uint8 or uint16) in 8 bits, with the face box outlined where there is one."""
    drawn = (frame >> 8).astype(np.uint8) if frame.dtype == np.uint16 else frame.copy()
    if box is not None:
        _outline(drawn, box)
    return drawn


def _thickness(frame: np.ndarray) -> int:
    return max(1, round(len(frame) / 360))


def _outline(frame: np.ndarray, box: np.ndarray) -> Rectangle:
    """Draw a box; gives the pixels that are touched."""
    (x0, y0), (x1, y1) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int) - 1
    thick, unit = _thickness(frame), int(np.iinfo(frame.dtype).max) // 255
    color = tuple(unit * value for value in BOX_COLOR)
    cv2.rectangle(frame, (int(x0), int(y0)), (int(x1), int(y1)), color, thick)
    return rectangle_around(box + np.array([-thick, -thick, thick, thick]), frame.shape)


def _write(frame: np.ndarray, left: int, caption: str) -> Rectangle:
    """Write on a darkened strip at the bottom, from column `left` on, to read on any picture."""
    text_height, thickness = max(8, round(len(frame) * _CAPTION_HEIGHT)), _thickness(frame)
    size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, text_height, thickness)
    (width, _), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
    strip = frame[-2 * text_height :, left : left + width + 2 * text_height]
    strip //= 3
    mask: np.ndarray = np.zeros(strip.shape, np.uint8)  # smooth letters are only drawn in 8 bits
    place = (text_height, len(strip) - text_height // 2)
    cv2.putText(mask, caption, place, cv2.FONT_HERSHEY_SIMPLEX, size, (255,) * 3, thickness, cv2.LINE_AA)
    white = np.iinfo(frame.dtype).max / 255 * np.array(CAPTION_COLOR) * (mask / 255)
    np.maximum(strip, white.astype(frame.dtype), out=strip)
    return left, len(frame) - len(strip), left + strip.shape[1], len(frame)
