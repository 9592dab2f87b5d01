"""Small pictures of faces, inside the report itself."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from xdub_core.media.picture.frame import rectangle_around

SIDE = 112
"""Pixels; about 4 kB a picture."""
_QUALITY = 80
_AROUND = 1.1  # of the face's box


def face_picture(frame: np.ndarray, box: np.ndarray) -> str:
    """A face as a data URI of a JPEG of SIDE by SIDE pixels, or fewer where the box leaves the frame.

    `frame`: [H, W, 3] RGB, uint8 or uint16; `box`: xyxy. Empty where there is nothing of the box in the frame.
    """
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * _AROUND
    x0, y0, x1, y1 = rectangle_around(np.concatenate([center - half, center + half]), frame.shape)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return ""
    face = frame[y0:y1, x0:x1]
    if face.dtype == np.uint16:
        face = (face >> 8).astype(np.uint8)
    return data_uri(face)


def data_uri(picture: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3] RGB, as a data URI, made smaller where it is larger than SIDE."""
    content = jpeg(picture, SIDE)
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}" if content else ""


def jpeg(picture: np.ndarray, side: int) -> bytes:
    """A picture, uint8 [H, W, 3] RGB, as a JPEG, made smaller where a side is longer; empty where it cannot be."""
    scale = side / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    whole, content = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    return content.tobytes() if whole else b""
