"""What is painted as plain outlines behind and onto a synthetic head: hair at the back, ears, a cap's peak, glasses."""

from __future__ import annotations

import numpy as np

from xdub_core.heads.drawing import Frame, rounded, share_of, window_of
from xdub_core.heads.motion import Light
from xdub_core.heads.person import Person

HANGING = ("long", "bob", "scarf")
"""Hair styles that hide the ears."""


def paint_back_hair(person: Person, image: np.ndarray, frame: Frame, strength: np.ndarray) -> None:
    """What hangs behind the face, or a bun on top; `strength` [3]: of the light."""
    style, width = person.hair_style, person.head_width
    color = np.array(person.hair) * strength * 0.62
    if style in HANGING:
        low = {"long": 1.75, "bob": 1.02, "scarf": 1.35}[style]
        w = width * (1.12 + person.hair_volume)
        outline = [(-w, -0.2), (-w * 1.04, 0.5), (-w * 1.0, low - 0.15), (-w * 0.7, low)]
        outline += [(w * 0.7, low), (w * 1.0, low - 0.15), (w * 1.04, 0.5), (w, -0.2)]
        points = np.array([(x, y, -0.25) for x, y in outline])
        frame.paint(image, rounded(frame.project(points)), color)
    elif style == "bun":
        centre = frame.project(np.array([[0.0, -1.12, -0.25]]))[0]
        frame.paint(image, frame.ring(centre, 0.33), color * 1.25)


def paint_ears(person: Person, image: np.ndarray, frame: Frame, light: Light) -> None:
    """The ears, where neither hair nor hat hides them."""
    if person.hair_style in (*HANGING, "beanie"):
        return
    strength = np.array(light.ambient) + 0.45 * np.array(light.key)
    color = np.array(person.skin) * np.array((0.95, 0.86, 0.84)) * strength
    for side in (-1, 1):
        centre = np.array([side * person.head_width * 1.0, person.eye_y + 0.10, -0.05])
        t = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        for size, tone in ((1.0, 1.0), (0.55, 0.72)):
            ring = np.zeros((20, 3))
            ring[:, 0] = side * 0.10 * size * np.cos(t)
            ring[:, 1] = 0.21 * size * np.sin(t)
            ring[:, 2] = -0.06 * size * np.cos(t)
            frame.paint(image, frame.project(centre + ring), color * tone)


def paint_accessories(person: Person, image: np.ndarray, frame: Frame, light: Light) -> None:
    """A cap's peak and glasses."""
    strength = np.array(light.ambient) + 0.5 * np.array(light.key)
    if person.hair_style == "cap":
        t = np.linspace(-1, 1, 15)
        front = np.stack((0.62 * t, -0.44 + 0.05 * t**2, 0.95 + 0.42 * (1 - t**2)), axis=1)
        back = np.stack((0.66 * t, np.full_like(t, -0.50), 0.95 - 0.42 * t**2), axis=1)
        outline = frame.project(np.concatenate((front, back[::-1])))
        frame.paint(image, outline, np.array(person.hair) * strength * 0.8)
    if person.glasses_style != "none":
        _paint_glasses(person, image, frame, strength)


def _paint_glasses(person: Person, image: np.ndarray, frame: Frame, strength: np.ndarray) -> None:
    t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 1.0 if person.glasses_style == "round" else 0.55
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power * 0.215
    y = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power * (0.19 if person.glasses_style == "round" else 0.155)
    depth = person.head_depth + 0.02
    width = 0.055 if person.glasses_style == "thick" else 0.032
    color = np.array(person.glasses) * (0.6 + 0.4 * strength)
    cover = np.zeros(frame.size[::-1], dtype=np.uint8)
    for side in (-1, 1):
        centre = (side * (person.eye_x + 0.01), person.eye_y + 0.02)
        ring = np.stack((centre[0] + x, centre[1] + y, depth - 0.5 * (centre[0] + x) ** 2), axis=1)
        points = frame.project(ring)
        frame.paint(image, points, np.array((0.9, 0.95, 1.0)) * strength, 0.07)
        frame.line(cover, points, width, closed=True)
        edge_x = side * (person.eye_x + 0.22)
        arm = np.array(
            [(edge_x, person.eye_y, depth - 0.5 * edge_x**2), (side * person.head_width, -0.02, 0.05)]
        )
        frame.line(cover, frame.project(arm), width * 0.8)
    bridge = np.array([(-person.eye_x + 0.2, person.eye_y, depth), (person.eye_x - 0.2, person.eye_y, depth)])
    frame.line(cover, frame.project(bridge), width)
    window = window_of(cover)
    image[window] += (color.astype(np.float32) - image[window]) * share_of(cover[window])
