"""Border blend: the generated crop turns into its source crop towards the rim (released model §5)."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

CROP_RING, CROP_KERNEL = 16, 33
"""The release's rim of a crop, and the box blur that softens it, in pixels."""
FRAME_RING, FRAME_KERNEL = 8, 17
"""The same for a crop that was resized to its box in the frame."""


def blend_border(generated: np.ndarray, source: np.ndarray) -> np.ndarray:
    """`generated` inside, `source` at the rim; both float32 [size, size, 3], so is the result."""
    mask = ring_mask(*generated.shape[:2], CROP_RING, CROP_KERNEL)[..., None]
    return source + (generated - source) * mask


@lru_cache(maxsize=8)  # every size that a growing face has would fill the memory
def ring_mask(
    height: int, width: int, ring: int, kernel: int, sides: tuple[bool, bool, bool, bool] = (True,) * 4
) -> np.ndarray:
    """A mask [height, width], float32: 0 on the outermost `ring` pixels and 1 inside, box-blurred twice.

    `sides`: whether the left, top, right and bottom side have a ring. Do not change the returned array: it is shared.
    """
    left, top, right, bottom = (ring if side else 0 for side in sides)
    mask: np.ndarray = np.zeros((height, width), dtype=np.float32)
    mask[top : height - bottom, left : width - right] = 1
    for _ in range(2):
        mask = cv2.blur(mask, (kernel, kernel))
    mask.setflags(write=False)
    return mask
