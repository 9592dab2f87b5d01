"""The painted mouth: lips, opening, teeth and tongue on a small transparent picture.

The picture covers `PATCH_BOX` around the mouth's middle, in head units of the painter's coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from xdub_core.heads.person import Person
from xdub_core.mini.labels import MOUTH_PARAMETERS

PATCH_BOX = (-0.50, -0.24, 0.50, 0.46)  # left, top, right, bottom
MAX_OPENING = 0.30  # inner height of the mouth at aperture 1, in head units
_SHIFT = 4
_CONTOUR = np.linspace(-1, 1, 25)


@dataclass(frozen=True)
class MouthShape:
    """Contours of the lips, float64 [n, 2] around the mouth's middle in head units (y down), left to right."""

    outer_top: np.ndarray
    inner_top: np.ndarray
    inner_bottom: np.ndarray
    outer_bottom: np.ndarray
    opening: float

    @property
    def landmarks(self) -> np.ndarray:
        """[8, 2]: left and right corner, outer top, outer bottom, inner top, inner bottom, inner left and right."""
        middle = len(_CONTOUR) // 2
        return np.stack(
            (
                self.outer_top[0],
                self.outer_top[-1],
                self.outer_top[middle],
                self.outer_bottom[middle],
                self.inner_top[middle],
                self.inner_bottom[middle],
                self.inner_top[0],
                self.inner_top[-1],
            )
        )


def named(mouth: np.ndarray) -> dict[str, float]:
    """A row of a mouth track by parameter name."""
    return {name: float(value) for name, value in zip(MOUTH_PARAMETERS, mouth, strict=True)}


def mouth_shape(person: Person, mouth: np.ndarray) -> MouthShape:
    """The lips of a person with this row of a mouth track [8]."""
    pose = named(mouth)
    aperture = float(np.clip(pose["aperture"] * person.expressiveness, 0, 1.1))
    width = float(np.clip(pose["width"], -1, 1))
    rounding = float(np.clip(pose["protrusion"], 0, 1))
    press = float(np.clip(pose["press"], 0, 1)) * max(0.0, 1 - 4 * aperture)
    opening = MAX_OPENING * aperture
    half = person.mouth_width * (1 + 0.20 * max(width, 0) + 0.22 * min(width, 0) - 0.24 * rounding)
    inner_half = half * (0.88 - 0.22 * rounding)
    upper = person.lip_upper * (1 + 0.35 * rounding - 0.55 * press) * (1 - 0.12 * max(width, 0))
    lower = person.lip_lower * (1 + 0.30 * rounding - 0.50 * press) * (1 - 0.12 * max(width, 0))
    lower *= 1 - 0.35 * float(np.clip(pose["bite"], 0, 1))
    s = _CONTOUR
    round_arch = np.sqrt(np.clip(1 - s**2, 0, 1))
    arch = (1 - s**2) * (1 - rounding) + round_arch * rounding
    arch = arch * (1 - 0.5 * aperture) + round_arch * 0.5 * aperture
    corner_y = 0.16 * opening - 0.018 * max(width, 0)
    bow = 1 - 0.22 * np.exp(-((s / 0.13) ** 2)) + 0.10 * np.exp(-(((np.abs(s) - 0.3) / 0.16) ** 2))
    curve = 0.012 * (1 - np.abs(s)) * (1 - min(aperture * 3, 1))  # the closed line dips in the middle
    inner_top = corner_y + curve - (0.24 * opening + corner_y) * arch
    inner_bottom = corner_y + curve + (0.76 * opening - corner_y) * arch
    outer_top = corner_y - (0.24 * opening + corner_y) * arch - upper * (1 - s**2) ** 0.6 * bow
    outer_bottom = corner_y + (0.76 * opening - corner_y) * arch + lower * (1 - s**2) ** 0.55
    stack = lambda xs, ys: np.stack((xs, ys), axis=-1)  # noqa: E731
    return MouthShape(
        stack(s * half, outer_top),
        stack(s * inner_half, inner_top),
        stack(s * inner_half, inner_bottom),
        stack(s * half, outer_bottom),
        opening,
    )


class MouthPainter:
    """Paints one person's mouth, `resolution` pixels to a head unit."""

    def __init__(self, person: Person, resolution: float) -> None:
        self.person, self.resolution = person, resolution
        left, top, right, bottom = PATCH_BOX
        self.size = (round((right - left) * resolution), round((bottom - top) * resolution))
        width, height = self.size
        self._rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / resolution + top
        self._columns = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / resolution + left
        rng = np.random.default_rng([person.seed, 53])
        creases = cv2.GaussianBlur(rng.normal(size=(1, width)).astype(np.float32), (0, 0), resolution / 90)
        self._creases = 1 + (0.0 if person.style == "cartoon" else 0.10) * creases / creases.std()

    def paint(self, mouth: np.ndarray) -> np.ndarray:
        """The mouth of a track's row: float32 [h, w, 4], RGB premultiplied by alpha, 0..1."""
        pose = named(mouth)
        shape = mouth_shape(self.person, mouth)
        lips = self._fill(np.concatenate((shape.outer_top, shape.outer_bottom[::-1])))
        soft = cv2.GaussianBlur(lips, (0, 0), 0.012 * self.resolution)
        rim = np.concatenate((shape.inner_top, shape.inner_bottom[::-1]))
        opening = self._fill(rim) * np.float32(min(shape.opening / 0.012, 1.0))
        color = self._lip_color(shape, pose)
        left, top, width, height = cv2.boundingRect((opening > 0).astype(np.uint8))
        if width:
            window = (slice(top, top + height), slice(left, left + width))
            inside = self._inside(shape, pose, self._rows[window[0]], self._columns[:, window[1]])
            color[window] += (inside - color[window]) * opening[window][..., None]
        color *= (1 - 0.45 * self._line(rim, 0.010))[..., None]
        alpha = soft if self.person.style != "cartoon" else lips
        shade = self._shade(shape, pose)
        out = np.empty((*alpha.shape, 4), dtype=np.float32)
        np.multiply(color, alpha[..., None], out=out[..., :3])
        out[..., 3] = alpha + shade * (1 - alpha)  # the shade is black, premultiplied
        return out

    def _lip_color(self, shape: MouthShape, pose: dict[str, float]) -> np.ndarray:
        """Upper lip in shadow, lower lip catching light, more of it when pushed forward."""
        rows, columns = self._rows, self._columns
        half = max(float(shape.outer_top[-1, 0]), 1e-3)
        across = columns / half
        low_top, low_bottom = shape.inner_bottom[12, 1], shape.outer_bottom[12, 1]
        position = (rows - low_top) / max(low_bottom - low_top, 1e-3)
        gleam = np.exp(-(((position - 0.42) / 0.28) ** 2)) * np.exp(-((across / 0.5) ** 2))
        light = 0.90 + (0.16 + 0.12 * pose["protrusion"]) * gleam
        upper = rows < (shape.inner_top[12, 1] + shape.inner_bottom[12, 1]) / 2
        light = np.where(upper, 0.80, light) - 0.10 * np.clip(np.abs(across) - 0.5, 0, 1)
        light = light * self._creases
        return light[..., None].astype(np.float32) * np.array(self.person.lip, dtype=np.float32)

    def _inside(
        self, shape: MouthShape, pose: dict[str, float], rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """What shows between the lips: dark, tongue, teeth."""
        top, bottom = shape.inner_top[12, 1], shape.inner_bottom[12, 1]
        half = max(float(shape.inner_top[-1, 0]), 1e-3)
        inside = np.empty((rows.shape[0], columns.shape[1], 3), dtype=np.float32)
        inside[:] = (0.16, 0.045, 0.05)
        tongue_top = bottom - (0.10 + 0.35 * pose["tongue"]) * (bottom - top) - 0.012
        tongue = _ramp((rows - tongue_top - 0.35 * columns**2 / half) / 0.02)
        red = np.array((0.66, 0.28, 0.29), dtype=np.float32)
        inside += (red * (0.75 + 0.25 * _ramp((rows - tongue_top) / 0.06))[..., None] - inside) * tongue[
            ..., None
        ]
        arch = 0.35 * columns**2  # the row of teeth curves around the jaw
        edge = top - 0.012 + (0.030 + 0.060 * pose["teeth"]) - arch
        teeth = _ramp((edge - rows) / 0.010) * _ramp((half * 0.96 - np.abs(columns)) / 0.03)
        teeth = teeth * min(1.0, 0.15 + pose["teeth"] * 1.2)
        lower_edge = bottom - 0.030 * min(shape.opening / 0.1, 1.0) + arch
        lower = _ramp((rows - lower_edge) / 0.010) * _ramp((half * 0.7 - np.abs(columns)) / 0.03)
        lower = lower * (
            0.6 * min(1.0, shape.opening / 0.12) * (1 - pose["tongue"]) * (1 - pose["protrusion"])
        )
        gaps = 1 - 0.10 * np.exp(-((((columns / 0.052) % 1.0) - 0.5) ** 2) / 0.008)
        falloff = (1 - 0.45 * (columns / half) ** 2) * gaps
        enamel = np.array(self.person.teeth, dtype=np.float32) * falloff[..., None]
        inside += (enamel * 0.82 - inside) * lower[..., None]
        inside += (enamel - inside) * teeth[..., None]
        depth = 0.62 + 0.38 * _ramp((rows - top) / 0.035)  # the upper lip's shadow
        return inside * depth[..., None]

    def _shade(self, shape: MouthShape, pose: dict[str, float]) -> np.ndarray:
        """Shadow under the lower lip and at the corners: alpha of black."""
        low = float(shape.outer_bottom[12, 1])
        half = float(shape.outer_top[-1, 0])
        corner = float(shape.outer_top[-1, 1])
        rows, columns = self._rows, self._columns
        under = np.exp(-(((rows - low - 0.035) / 0.035) ** 2)) * np.exp(-((columns / (0.55 * half)) ** 2))
        sides = np.exp(-((rows - corner) ** 2 + (np.abs(columns) - half - 0.012) ** 2) / 0.022**2)
        fold_x = half + 0.055 + 0.20 * np.abs(rows - corner + 0.1)
        folds = np.exp(-(((np.abs(columns) - fold_x) / 0.022) ** 2)) * np.exp(
            -(((rows - corner + 0.04) / 0.10) ** 2)
        )
        depth = 0.10 + 0.14 * max(pose["width"], 0)
        strength = (0.20 + 0.10 * pose["protrusion"]) * under + 0.28 * sides + depth * folds
        return strength.astype(np.float32)

    def _points(self, contour: np.ndarray) -> np.ndarray:
        pixels = (contour - np.array(PATCH_BOX[:2])) * self.resolution - 0.5
        return np.round(pixels * (1 << _SHIFT)).astype(np.int32)

    def _fill(self, contour: np.ndarray) -> np.ndarray:
        mask = np.zeros((self.size[1], self.size[0]), dtype=np.uint8)
        cv2.fillPoly(mask, [self._points(contour)], 255, cv2.LINE_AA, _SHIFT)
        return mask.astype(np.float32) * np.float32(1 / 255)

    def _line(self, contour: np.ndarray, width: float) -> np.ndarray:
        mask = np.zeros((self.size[1], self.size[0]), dtype=np.uint8)
        thickness = max(1, round(width * self.resolution))
        cv2.polylines(mask, [self._points(contour)], True, 255, thickness, cv2.LINE_AA, _SHIFT)
        return mask.astype(np.float32) * np.float32(1 / 255)


def _ramp(t: np.ndarray) -> np.ndarray:
    return np.clip(t + 0.5, 0, 1).astype(np.float32)
