"""What is painted on a synthetic head: skin, brows, beard, relief and hair.

Paintings cover `CANVAS_BOX` in the painter's coordinates of `head_surface` (arc length, rest y), in head units.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from xdub_core.heads.person import Person

CANVAS_BOX = (-1.35, -1.06, 1.35, 1.06)  # left, top, right, bottom
SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
HATS = ("beanie", "cap", "scarf")


class Canvas:
    """A grid over `CANVAS_BOX`, `resolution` pixels to a head unit, with brushes."""

    def __init__(self, resolution: float) -> None:
        left, top, right, bottom = CANVAS_BOX
        self.resolution = resolution
        self.width, self.height = round((right - left) * resolution), round((bottom - top) * resolution)
        self.x = (np.arange(self.width, dtype=np.float32)[None, :] + 0.5) / resolution + left
        self.y = (np.arange(self.height, dtype=np.float32)[:, None] + 0.5) / resolution + top

    def blob(self, x: float, y: float, rx: float, ry: float) -> np.ndarray:
        """A Gaussian spot [h, w] of height 1."""
        return np.exp(-(((self.x - x) / rx) ** 2) - ((self.y - y) / ry) ** 2)

    def pair(self, x: float, y: float, rx: float, ry: float) -> np.ndarray:
        """The same spot left and right of the middle."""
        return self.blob(-x, y, rx, ry) + self.blob(x, y, rx, ry)

    def polygon(self, points: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
        """A filled polygon's coverage [h, w]."""
        mask = np.zeros((self.height, self.width), dtype=np.uint8)
        cv2.fillPoly(mask, [self.pixels(np.asarray(points))], 255, cv2.LINE_AA, SHIFT)
        return mask.astype(np.float32) / 255

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Head units to OpenCV's fixed-point pixels."""
        pixels = (points - np.array(CANVAS_BOX[:2])) * self.resolution - 0.5
        return np.round(pixels * (1 << SHIFT)).astype(np.int32)

    def noise(self, rng: np.random.Generator, *sizes: float | tuple[float, float]) -> np.ndarray:
        """Smooth noise [h, w] of unit deviation, features of about these sizes (head units) added up."""
        total = np.zeros((self.height, self.width), dtype=np.float32)
        for size in sizes:
            sx, sy = (size, size) if isinstance(size, float | int) else size
            grain = rng.normal(size=total.shape).astype(np.float32)
            field = cv2.GaussianBlur(
                grain, (0, 0), max(sx * self.resolution, 0.4), None, max(sy * self.resolution, 0.4)
            )
            total += np.asarray(field / np.std(field), dtype=np.float32)
        return total / np.sqrt(len(sizes))


def _mix(image: np.ndarray, color: Sequence[float] | np.ndarray, amount: np.ndarray) -> None:
    image += (np.asarray(color, dtype=np.float32) - image) * np.clip(amount, 0, 1)[..., None]


def paint_relief(person: Person, canvas: Canvas) -> np.ndarray:
    """Height of the face over the egg in head units, float32 [h, w]."""
    nose_y = person.eye_y + person.nose_length
    along = np.clip((canvas.y - person.eye_y + 0.08) / (person.nose_length + 0.08), 0, 1)
    ridge_width = 0.05 + (person.nose_width * 0.62 - 0.05) * along**2
    ridge = np.exp(-((canvas.x / ridge_width) ** 2)) * along**1.3 * (canvas.y < nose_y)
    ridge = cv2.GaussianBlur(ridge.astype(np.float32), (0, 0), 0.022 * canvas.resolution)
    height = person.nose_height * 1.15 * ridge
    height += 0.04 * canvas.pair(person.nose_width * 0.68, nose_y - 0.03, 0.045, 0.045)
    height -= 0.055 * canvas.pair(person.eye_x, person.eye_y, 0.15, 0.10)
    height += 0.035 * canvas.pair(person.eye_x, person.eye_y - person.brow_height, 0.2, 0.06)
    height += 0.030 * canvas.pair(0.40, person.eye_y + 0.28, 0.16, 0.13)
    height += 0.050 * canvas.blob(0, person.mouth_y, 0.30, 0.16)
    height += 0.040 * canvas.blob(0, 0.88, 0.16, 0.10)
    height -= 0.012 * canvas.blob(0, person.mouth_y - 0.13, 0.035, 0.06)
    return height.astype(np.float32)


def paint_skin(person: Person, canvas: Canvas) -> np.ndarray:
    """The face without eyes and mouth: float32 [h, w, 3] RGB 0..1."""
    rng = np.random.default_rng([person.seed, 61])
    cartoon = person.style == "cartoon"
    skin = np.array(person.skin, dtype=np.float32)
    image = np.empty((canvas.height, canvas.width, 3), dtype=np.float32)
    image[:] = skin
    nose_y = person.eye_y + person.nose_length
    texture = canvas.noise(rng, 0.09, 0.03, 0.012)
    image *= 1 + (0.022 * person.skin_roughness * texture)[..., None]
    redness = 0.10 * person.blush * canvas.pair(0.42, person.eye_y + 0.33, 0.17, 0.13)
    redness = redness + 0.05 * canvas.blob(0, nose_y - 0.05, 0.10, 0.08)
    redness = redness + 0.012 * person.skin_roughness * canvas.noise(rng, 0.12)
    image *= 1 + redness[..., None] * np.array((0.5, -0.9, -0.7), dtype=np.float32)
    if person.freckles:
        dots = (canvas.noise(rng, 0.011) > 2.1).astype(np.float32) * canvas.pair(
            0.28, person.eye_y + 0.25, 0.28, 0.16
        )
        image *= 1 - 0.45 * person.freckles * cv2.GaussianBlur(dots, (0, 0), 0.7)[..., None]
    socket = 0.16 * canvas.pair(person.eye_x * 0.95, person.eye_y - 0.03, 0.16, 0.10)
    socket = socket + 0.10 * canvas.pair(person.eye_x, person.eye_y + 0.13, 0.11, 0.03)
    under_nose = 0.30 * canvas.blob(0, nose_y + 0.025, person.nose_width * 0.8, 0.028)
    wings = 0.20 * canvas.pair(person.nose_width * 1.0, nose_y - 0.03, 0.018, 0.045)
    philtrum = 0.08 * canvas.blob(0, person.mouth_y - 0.12, 0.022, 0.05)
    image *= (1 - socket - under_nose - wings - philtrum)[..., None] ** (0.7 if cartoon else 1.0)
    nostrils = canvas.pair(person.nose_width * 0.48, nose_y, 0.035, 0.018)
    image *= 1 - 0.65 * np.clip(nostrils, 0, 1)[..., None]
    image *= 1 + 0.06 * canvas.blob(0, nose_y - 0.09, 0.03, 0.05)[..., None]
    _paint_beard(person, canvas, image, rng)
    _paint_brows(person, canvas, image, rng)
    return np.clip(image, 0, 1)


def _paint_beard(person: Person, canvas: Canvas, image: np.ndarray, rng: np.random.Generator) -> None:
    style = person.beard_style
    if style == "none":
        return
    mouth = person.mouth_y
    moustache = canvas.polygon(
        [
            (-0.30, mouth + 0.03),
            (-0.20, mouth - 0.11),
            (0, mouth - 0.15),
            (0.20, mouth - 0.11),
            (0.30, mouth + 0.03),
            (0.18, mouth - 0.02),
            (-0.18, mouth - 0.02),
        ]
    )
    goatee = canvas.polygon(
        [
            (-0.30, mouth),
            (-0.32, mouth + 0.18),
            (-0.22, 1.0),
            (0.22, 1.0),
            (0.32, mouth + 0.18),
            (0.30, mouth),
            (0.20, mouth + 0.09),
            (-0.20, mouth + 0.09),
        ]
    )
    sides = np.abs(canvas.x) - 0.06 * canvas.noise(rng, 0.05)
    edge = (
        mouth - 0.16 + 0.25 * np.clip((0.62 - sides) / 0.4, 0, 1) - 0.5 * np.clip((sides - 0.62) / 0.3, 0, 1)
    )
    full = np.clip((canvas.y - edge) / 0.06, 0, 1)
    cover = {
        "stubble": 0.45 * np.maximum(full, moustache),
        "moustache": moustache,
        "goatee": np.maximum(moustache, goatee),
        "full": np.maximum(full, moustache),
    }[style]
    cover = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 0.016 * canvas.resolution)
    strands = canvas.noise(rng, (0.008, 0.03), 0.02)
    hair = _natural_hair(person) * (1 + 0.22 * strands[..., None])
    _mix(image, hair, cover * (0.92 + 0.12 * strands))


def _natural_hair(person: Person) -> np.ndarray:
    """Hair colour of brows and beard: hats do not count."""
    if person.hair_style in HATS:
        return np.array((0.20, 0.13, 0.09), dtype=np.float32)
    return np.array(person.hair, dtype=np.float32) * 0.85


def _paint_brows(person: Person, canvas: Canvas, image: np.ndarray, rng: np.random.Generator) -> None:
    color = np.minimum(_natural_hair(person) * 0.8, np.array(person.skin, dtype=np.float32) * 0.75)
    t = np.linspace(-1, 1, 13)
    thickness = person.brow_thickness * (1.25 if person.style == "cartoon" else 1.0)
    for side in (-1, 1):
        x = side * (person.eye_x + 0.165 * t)
        middle = person.eye_y - person.brow_height - 0.04 * (1 - t**2) + person.brow_tilt * t
        half = thickness * (1 - 0.55 * (t + 1) / 2) * np.sqrt(np.clip(1.02 - t**2, 0, 1))
        outline = np.concatenate((np.stack((x, middle - half), 1), np.stack((x, middle + half), 1)[::-1]))
        mask = cv2.GaussianBlur(canvas.polygon(outline), (0, 0), 0.006 * canvas.resolution)
        _mix(image, color, mask * (0.85 + 0.15 * canvas.noise(rng, (0.02, 0.008))))


def paint_hair(person: Person, canvas: Canvas) -> np.ndarray | None:
    """Hair or a hat on the shell around the head: float32 [h, w, 4] RGBA (not premultiplied); None for the bald."""
    style = person.hair_style
    if style == "bald":
        return None
    rng = np.random.default_rng([person.seed, 67])
    ax = np.abs(canvas.x)
    lines = {
        "short": -0.52 + 1.6 * np.clip(ax - 0.62, 0, 0.28),
        "fringe": -0.30 + 0.05 * np.cos(canvas.x * 9) + 2.2 * np.clip(ax - 0.60, 0, 0.4),
        "side": -0.52 - 0.22 * np.tanh(canvas.x * 4) + 1.9 * np.clip(ax - 0.58, 0, 0.35),
        "long": -0.50 + 0.12 * np.exp(-((canvas.x / 0.1) ** 2)) * -1 + 4.2 * np.clip(ax - 0.56, 0, 0.5),
        "bob": -0.34 + 3.6 * np.clip(ax - 0.58, 0, 0.5),
        "afro": -0.50 + 1.5 * np.clip(ax - 0.55, 0, 0.4),
        "bun": -0.56 + 1.5 * np.clip(ax - 0.58, 0, 0.28),
        "receding": -0.80 + 0.25 * np.exp(-((canvas.x / 0.16) ** 2)) + 1.7 * np.clip(ax - 0.45, 0, 0.5),
        "beanie": np.full_like(canvas.x, -0.36) + 0.3 * np.clip(ax - 0.6, 0, 0.5),
        "cap": np.full_like(canvas.x, -0.42) + 0.25 * np.clip(ax - 0.6, 0, 0.5),
        "scarf": -0.56 + 3.6 * np.clip(ax - 0.50, 0, 0.6) ** 1.2,
    }
    hat = style in HATS
    ragged = 0.0 if hat else 0.035
    line = lines[style] + ragged * canvas.noise(rng, (0.03, 0.4))
    alpha = np.clip((line - canvas.y) / 0.03, 0, 1)
    if style == "afro":
        strands = canvas.noise(rng, 0.03, 0.015)
    elif hat:
        strands = 0.5 * np.sin(canvas.x * 90) * (style == "beanie") + 0.4 * canvas.noise(rng, 0.01)
    else:
        strands = canvas.noise(rng, (0.015, 0.25), (0.006, 0.12))
    image = np.empty((canvas.height, canvas.width, 4), dtype=np.float32)
    amount = 0.05 if person.style == "cartoon" else 0.17
    image[..., :3] = np.array(person.hair, dtype=np.float32) * (1 + amount * strands[..., None])
    if style == "beanie":
        image[..., :3] *= np.where(canvas.y > -0.52, 0.8, 1.0)[..., None]
    edge = np.clip((line - canvas.y) / 0.10, 0, 1)
    image[..., :3] *= (0.72 + 0.28 * edge)[..., None]
    image[..., 3] = alpha
    return np.clip(image, 0, 1)


def lowest_row(hair: np.ndarray | None, canvas: Canvas) -> float:
    """The y down to which a hair painting reaches, with a little margin."""
    if hair is None:
        return -2.0
    rows = np.flatnonzero((hair[..., 3] > 0).any(axis=1))
    return float(canvas.y[rows[-1], 0]) + 0.08 if len(rows) else -2.0
