"""What surrounds a synthetic head: background, body, and things that pass before the face."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from xdub_core.heads.motion import wander
from xdub_core.heads.person import Person

BACKGROUND_BOX = (-4.0, -2.6, 4.0, 3.4)  # scene units: head units around the head's mean place
BODY_BOX = (-2.2, 0.2, 2.2, 3.6)
OCCLUDERS = ("none", "microphone", "hand", "cup", "stick")


def paint_background(seed: int, resolution: float) -> np.ndarray:
    """A blurred room or gradient over `BACKGROUND_BOX`: float32 [h, w, 3]."""
    rng = np.random.default_rng([seed, 73])
    left, top, right, bottom = BACKGROUND_BOX
    width, height = round((right - left) * resolution), round((bottom - top) * resolution)
    colors = [
        np.array(
            colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.85)),
            dtype=np.float32,
        )
        for _ in range(4)
    ]
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    blend = np.clip(0.5 + 0.5 * (x * np.cos(angle) + y * np.sin(angle)), 0, 1).astype(np.float32)
    image = colors[0] * (1 - blend[..., None]) + colors[1] * blend[..., None]
    kind = rng.integers(4)
    for index in range(int(rng.integers(4, 14)) if kind else 0):
        color = (colors[2 + index % 2] * rng.uniform(0.6, 1.2)).tolist()
        cx, cy = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        sx, sy = int(width * rng.uniform(0.02, 0.12)), int(height * rng.uniform(0.05, 0.3))
        if kind == 1:
            cv2.rectangle(image, (cx - sx, cy - sy), (cx + sx, cy + sy), color, -1)
        elif kind == 2:
            cv2.circle(image, (cx, cy), sx, color, -1)
        else:
            cv2.line(image, (cx, 0), (cx + sx, height), color, max(1, sx // 2))
    image = cv2.GaussianBlur(image, (0, 0), resolution * float(rng.uniform(0.03, 0.12)))
    grain = rng.normal(size=(height, width, 1)).astype(np.float32)
    image *= 1 + 0.03 * cv2.GaussianBlur(grain, (0, 0), 1.2)[..., None]
    return np.clip(image, 0, 1)


def paint_body(person: Person, resolution: float) -> np.ndarray:
    """Neck and shoulders over `BODY_BOX`: float32 [h, w, 4], premultiplied."""
    left, top, right, bottom = BODY_BOX
    width, height = round((right - left) * resolution), round((bottom - top) * resolution)
    x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / resolution + left
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / resolution + top
    soft = 1.0 / resolution
    rng = np.random.default_rng([person.seed, 79])
    half = person.neck_width * (1 + 0.9 * np.clip(y - 1.25, 0, 1) ** 2)
    neck = np.clip((half - np.abs(x)) / soft, 0, 1)
    across = np.clip(x / half, -1, 1)
    shadow = 0.50 + 0.50 * np.clip((y - 1.0) / 0.55, 0, 1)
    neck_color = np.array(person.skin, dtype=np.float32) * ((1 - 0.35 * across**2) * shadow)[..., None]
    slope = 1.40 + 0.42 * np.clip(np.abs(x) / person.shoulder_width, 0, 1) ** 2.2
    slope = slope + 4 * np.clip(np.abs(x) - person.shoulder_width, 0, 9) + 0.30 * np.exp(-((x / 0.34) ** 2))
    cloth = np.clip((y - slope) / soft, 0, 1)
    color = np.array(person.cloth, dtype=np.float32) * (1 - 0.25 * (x / 2.2) ** 2)[..., None]
    fold = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), 0.16 * resolution)
    pattern = [
        np.zeros_like(fold),
        np.sin(y * 40) + 0 * x,
        np.sin(x * 34) + 0 * y,
        np.sin(x * 30) * np.sin(y * 30),
    ]
    tone = 1 + 0.10 * fold / fold.std() + 0.14 * pattern[person.cloth_pattern]
    tone *= 1 - 0.35 * np.exp(-(((y - slope) / 0.05) ** 2)) * (np.abs(x) < 0.6)
    color = color * tone[..., None]
    alpha = np.maximum(neck, cloth)
    body = neck_color * (1 - cloth[..., None]) + color * cloth[..., None]
    return np.concatenate((np.clip(body, 0, 1) * alpha[..., None], alpha[..., None]), axis=-1).astype(
        np.float32
    )


@dataclass(frozen=True)
class Occluder:
    """A thing that passes before the face.

    Attributes:
        kind: one of `OCCLUDERS`.
        seed: of its size, colour and path.
    """

    kind: str = "none"
    seed: int = 0


def draw_occluder(
    occluder: Occluder, seconds: float, origin: tuple[float, float], scale: float, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Its picture at a moment: colour uint8 [h, w, 3] and coverage uint8 [h, w]; None when out of the picture.

    `origin` is the scene's origin in pixels, `scale` pixels to a scene unit, `size` (width, height).
    """
    if occluder.kind == "none":
        return None
    rng = np.random.default_rng([occluder.seed, 83])
    period, phase = rng.uniform(2.5, 5.0), rng.random()
    hue, size_factor, lean = rng.random(), rng.uniform(0.85, 1.15), rng.uniform(-0.5, 0.5)
    swing = np.sin(2 * np.pi * (seconds / period + phase))
    x = 1.15 * swing + 0.1 * wander(occluder.seed, 1, seconds)
    y = 0.70 + 0.12 * wander(occluder.seed, 2, seconds)
    color = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    pen = _Pen(color, mask, origin, scale)
    if occluder.kind == "microphone":
        grip = (0.07 * size_factor, colorsys.hsv_to_rgb(hue, 0.2, 0.16))
        pen.capsule((x, y + 0.1), (x + lean, y + 1.8), *grip)
        pen.ball((x, y), 0.19 * size_factor, colorsys.hsv_to_rgb(hue, 0.5, 0.35))
    elif occluder.kind == "hand":
        skin = colorsys.hsv_to_rgb(rng.uniform(0.04, 0.08), rng.uniform(0.35, 0.55), rng.uniform(0.4, 0.95))
        y += 0.1
        pen.capsule((x, y + 0.45), (x + 0.6 + lean, y + 2.0), 0.20, skin)
        for finger in range(4):
            bottom = (x + 0.11 * (finger - 1.5), y + 0.35)
            tip = (x + 0.13 * (finger - 1.5) + 0.2 * lean, y - 0.22 - 0.05 * (finger in (1, 2)))
            pen.capsule(bottom, tip, 0.068 * size_factor, skin)
        pen.capsule((x - 0.18, y + 0.5), (x - 0.34, y + 0.15), 0.07, skin)
        pen.ball((x, y + 0.42), 0.25, skin)
    elif occluder.kind == "cup":
        glaze = colorsys.hsv_to_rgb(hue, 0.55, 0.8)
        for row in np.linspace(0.62, 0.0, 12):
            half = (0.17 + 0.07 * (1 - row / 0.62)) * size_factor
            pen.band((x - half, y + row), (x + half, y + row), 0.07, glaze)
    else:
        reach = np.array((np.cos(lean), np.sin(lean))) * 1.1
        pen.capsule(
            (x - reach[0], y + reach[1]),
            (x + reach[0], y - reach[1]),
            0.045,
            colorsys.hsv_to_rgb(hue, 0.7, 0.7),
        )
    color[mask == 0] = 0
    return (color, mask) if mask.any() else None


class _Pen:
    """Shaded round shapes, drawn from dark and wide to light and narrow."""

    def __init__(
        self, color: np.ndarray, mask: np.ndarray, origin: tuple[float, float], scale: float
    ) -> None:
        self.color, self.mask, self.origin, self.scale = color, mask, np.array(origin), scale

    def capsule(
        self, start: tuple[float, float], stop: tuple[float, float], radius: float, color: tuple
    ) -> None:
        a, b = (np.array(point) * self.scale + self.origin for point in (start, stop))
        for layer in range(8):
            width = max(1, round(2 * radius * self.scale * (1 - 0.105 * layer)))
            shift = np.array((-0.032, -0.032)) * radius * self.scale * layer
            p, q = (tuple(int(v) for v in np.round((end + shift) * 16)) for end in (a, b))
            shade = tuple(255 * min(1.0, channel * (0.60 + 0.065 * layer)) for channel in color)
            cv2.line(self.color, p, q, shade, width, cv2.LINE_AA, 4)
            if layer == 0:
                cv2.line(self.mask, p, q, 255, width, cv2.LINE_AA, 4)

    def band(self, start: tuple[float, float], stop: tuple[float, float], width: float, color: tuple) -> None:
        """A horizontal slice of something round: dark at its ends."""
        steps = np.linspace(0, 1, 10)
        for a, b in pairwise(steps):
            turn = 1 - (2 * (a + b) / 2 - 0.8) ** 2
            ends = [(start[0] + (stop[0] - start[0]) * share, start[1]) for share in (a, b)]
            corners = [(px, py + side * width / 2) for side in (-1, 1) for px, py in ends[::side]]
            pixels = np.round((np.array(corners) * self.scale + self.origin) * 16).astype(np.int32)
            shade = tuple(255 * min(1.0, channel * (0.55 + 0.5 * turn)) for channel in color)
            cv2.fillPoly(self.color, [pixels], shade, cv2.LINE_8, 4)
            cv2.fillPoly(self.mask, [pixels], 255, cv2.LINE_8, 4)

    def ball(self, centre: tuple[float, float], radius: float, color: tuple) -> None:
        self.capsule(centre, (centre[0] + 1e-3, centre[1]), radius, color)
