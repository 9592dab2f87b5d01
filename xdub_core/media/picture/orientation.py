"""How a stored picture is turned to stand upright (the display matrix that phones write)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """Stored picture -> displayed picture: first transposed, then flipped left-right and top-bottom."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation(self) -> int:
        """Clockwise degrees by which the stored picture is turned for display (0, 90, 180 or 270)."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    @property
    def mirrored(self) -> bool:
        """Whether the picture is also mirrored."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """The upright picture [H', W', ...] of a stored one [H, W, ...], as a contiguous array."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        if self.flip_x:
            picture = picture[:, ::-1]
        if self.flip_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


UPRIGHT = Orientation()


def orientation_from_matrix(matrix: bytes) -> Orientation | None:
    """Read a 3x3 display matrix (36 bytes, 16.16 fixed point, native order); None if it is not a multiple of 90°."""
    a, b, _, c, d = struct.unpack("=9i", matrix)[:5]
    if b == c == 0 and a and d:
        return Orientation(False, a < 0, d < 0)
    if a == d == 0 and b and c:
        return Orientation(True, c < 0, b < 0)
    return None


def display_matrix(frame: Any) -> bytes | None:
    """The display matrix of a decoded PyAV frame, None where it carries none."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV stumbles over kinds of side data that are newer than it (a photograph's EXIF), but knows the angle.
        return _TURNS.get(-frame.rotation % 360)
    return None if data is None else bytes(data)


_UNIT = 1 << 16
_TURNS = {
    degrees: struct.pack("=9i", a * _UNIT, b * _UNIT, 0, c * _UNIT, d * _UNIT, 0, 0, 0, 1 << 30)
    for degrees, (a, b, c, d) in {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}.items()
}
"""Display matrices by clockwise degrees."""
