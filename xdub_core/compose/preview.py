"""The preview: source and dubbed frame side by side, for judging a dub at a glance."""

from __future__ import annotations

import cv2
import numpy as np

BOX_COLOR = (255, 196, 0)
CAPTION_COLOR = (255, 255, 255)
_CAPTION_HEIGHT = 1 / 24  # of the frame's


def side_by_side(source: np.ndarray, dubbed: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
    """[height, 2 * width, 3] uint8: `source` left, with the face box outlined (where there is one), `dubbed` right.

    Both frames are of the same shape, uint8 or uint16; neither is modified.
    """
    left, right = with_box(source, box), _eight_bit(dubbed)
    for frame, caption in ((left, "source"), (right, "dubbed")):
        _write(frame, caption, _thickness(source))
    return np.concatenate([left, right], axis=1)


def with_box(frame: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """A copy of a frame (uint8 or uint16) in 8 bits, with the face box outlined where there is one."""
    drawn = _eight_bit(frame)
    if box is not None:
        (x0, y0), (x1, y1) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int) - 1
        cv2.rectangle(drawn, (int(x0), int(y0)), (int(x1), int(y1)), BOX_COLOR, _thickness(frame))
    return drawn


def _thickness(frame: np.ndarray) -> int:
    return max(1, round(len(frame) / 360))


def _eight_bit(frame: np.ndarray) -> np.ndarray:
    return (frame >> 8).astype(np.uint8) if frame.dtype == np.uint16 else frame.copy()


def _write(frame: np.ndarray, caption: str, thickness: int) -> None:
    """Write on a darkened strip at the bottom left, to read on any picture."""
    text_height = max(8, round(len(frame) * _CAPTION_HEIGHT))
    size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, text_height, thickness)
    (width, _), _ = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
    frame[-2 * text_height :, : width + 2 * text_height] //= 3
    place = (text_height, len(frame) - text_height // 2)
    cv2.putText(frame, caption, place, cv2.FONT_HERSHEY_SIMPLEX, size, CAPTION_COLOR, thickness, cv2.LINE_AA)
