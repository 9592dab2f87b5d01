"""The painted eyes: lids, gaze and blinks."""

from __future__ import annotations

import cv2
import numpy as np

from xdub_core.heads.head_paint import CANVAS_BOX, SHIFT, Canvas
from xdub_core.heads.motion import Pose
from xdub_core.heads.person import Person


class EyePainter:
    """Paints one person's eyes into the skin painting: lids, gaze, blinks."""

    def __init__(self, person: Person, canvas: Canvas) -> None:
        self.person, self.canvas = person, canvas
        self._t = np.linspace(-1, 1, 17)
        reach = person.eye_size * 1.35
        self._regions = []
        for side in (-1, 1):
            x0, y0 = (
                np.array((side * person.eye_x - reach, person.eye_y - reach)) - CANVAS_BOX[:2]
            ) * canvas.resolution
            size = int(2 * reach * canvas.resolution)
            self._regions.append((side, slice(int(y0), int(y0) + size), slice(int(x0), int(x0) + size)))

    def paint(self, image: np.ndarray, pose: Pose) -> None:
        """Both eyes into `image` (a copy of `paint_skin`'s result), in place."""
        for side, rows, columns in self._regions:
            self._eye(image[rows, columns], rows.start, columns.start, side, pose)

    def _eye(self, patch: np.ndarray, top: int, left: int, side: int, pose: Pose) -> None:
        person, canvas = self.person, self.canvas
        cx, cy, size = side * person.eye_x, person.eye_y, person.eye_size
        open_share = (1 - pose.blink) * (1 + 0.10 * pose.brow)
        upper = (
            cy - size * (0.62 * open_share - 0.12 * pose.blink) * (1 - self._t**2) - 0.012 * side * self._t
        )
        lower = cy + size * 0.36 * (1 - self._t**2) - 0.012 * side * self._t
        x = cx + size * self._t
        top_line, bottom_line = np.stack((x, upper), 1), np.stack((x, lower), 1)
        offset = np.array((left, top)) << SHIFT

        def mask_of(points: np.ndarray, line: int = 0) -> np.ndarray:
            mask = np.zeros(patch.shape[:2], dtype=np.uint8)
            pixels = (canvas.pixels(points) - offset).astype(np.int32)
            if line:
                cv2.polylines(mask, [pixels], False, 255, line, cv2.LINE_AA, SHIFT)
            else:
                cv2.fillPoly(mask, [pixels], 255, cv2.LINE_AA, SHIFT)
            return mask.astype(np.float32) * np.float32(1 / 255)

        if pose.blink < 0.98:
            slit = mask_of(np.concatenate((top_line, bottom_line[::-1])))
            ball = self._ball(
                patch.shape, top, left, cx + 0.32 * size * pose.gaze[0], cy + 0.25 * size * pose.gaze[1]
            )
            patch += (ball - patch) * slit[..., None]
        crease = mask_of(top_line - (0, 0.30 * size * (0.4 + 0.6 * open_share)), 1)
        patch *= (1 - 0.28 * crease)[..., None]
        lashes = mask_of(top_line, max(1, round(0.026 * canvas.resolution)))
        patch *= (1 - 0.80 * lashes)[..., None]
        patch *= (1 - 0.25 * mask_of(bottom_line, 1))[..., None]

    def _ball(self, shape: tuple[int, ...], top: int, left: int, x: float, y: float) -> np.ndarray:
        person, canvas = self.person, self.canvas
        rows = canvas.y[top : top + shape[0]]
        columns = canvas.x[:, left : left + shape[1]]
        distance = np.sqrt((columns - x) ** 2 + (rows - y) ** 2)
        radius = person.eye_size * 0.47
        soft = 0.8 / canvas.resolution
        ball = np.empty(shape, dtype=np.float32)
        ball[:] = (0.93, 0.92, 0.91)
        ball *= (1 - 0.25 * np.clip((person.eye_y - rows) / person.eye_size + 0.2, 0, 1))[..., None]
        iris = np.clip((radius - distance) / soft + 0.5, 0, 1)
        rim = 0.55 + 0.45 * np.clip((radius * 0.95 - distance) / (radius * 0.25), 0, 1)
        ball += (np.array(person.iris, dtype=np.float32) * (rim * 1.15)[..., None] - ball) * iris[..., None]
        ball *= (1 - 0.95 * np.clip((radius * 0.45 - distance) / soft + 0.5, 0, 1))[..., None]
        glint = np.sqrt((columns - x + radius * 0.35) ** 2 + (rows - y + radius * 0.4) ** 2)
        ball += (1 - ball) * np.clip((radius * 0.22 - glint) / soft + 0.5, 0, 1)[..., None]
        return ball
