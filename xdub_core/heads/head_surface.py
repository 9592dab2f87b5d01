"""The shape of a synthetic head: rays against an egg with a jaw, and coordinates to paint on it.

Object space is in head units (x right, y down, z to the camera; the origin is the head's middle). The surface is
F(x, y, z) = 0 with

    F = (x / (a m(y)))^2 + ((z - z0(y)) / c)^2 + |y|^q - 1,

where m narrows the jaw, z0 brings the chin forward and, with an open jaw, y is first taken back to the rest shape.
A painter's coordinates are (X, y): X is the arc length from the middle line, so X = x in the middle of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xdub_core.heads.motion import Pose
from xdub_core.heads.person import Person

JAW_DROP = 0.17  # how far the chin goes down at jaw 1, in head units
_JAW_RAMP = 0.36  # height over which the jaw's movement sets in, below the mouth line
_CHIN_FORWARD = 0.34


@dataclass(frozen=True)
class HeadShape:
    """The egg's numbers; `inflate` makes a shell around it (hair)."""

    width: float
    depth: float
    taper: float
    squareness: float
    mouth_y: float
    inflate: float = 0.0

    @staticmethod
    def of(person: Person, inflate: float = 0.0) -> HeadShape:
        """The shape of a person's head."""
        return HeadShape(
            person.head_width,
            person.head_depth,
            person.jaw_taper,
            person.squareness,
            person.mouth_y,
            inflate,
        )

    @property
    def size(self) -> float:
        """Scale of the shell over the head."""
        return 1.0 + self.inflate


@dataclass(frozen=True)
class Surface:
    """What rays through a grid of points hit; float32 [h, w] unless said.

    Attributes:
        arc: X, the painter's horizontal coordinate.
        rest_y: the painter's vertical coordinate: y with the jaw at rest.
        y: y in object space.
        normal: [h, w, 3] in camera space, unit length.
        inside: signed distance to the outline in head units, > 0 on the head.
    """

    arc: np.ndarray
    rest_y: np.ndarray
    y: np.ndarray
    normal: np.ndarray
    inside: np.ndarray


def rotation(pose: Pose) -> np.ndarray:
    """Object to camera, float64 [3, 3]: roll after pitch after yaw."""
    cy, sy, cp, sp, cr, sr = (f(v) for v in (pose.yaw, pose.pitch, pose.roll) for f in (np.cos, np.sin))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def _smoothstep(t: np.ndarray) -> np.ndarray:
    t = np.minimum(np.maximum(t, 0), 1)
    return t * t * (3 - 2 * t)


def jaw_shift(shape: HeadShape, x: np.ndarray, y: np.ndarray, jaw: float) -> np.ndarray:
    """How far the open jaw has brought the skin that is now at (x, y) down; 0 above the mouth line."""
    ramp = _smoothstep((y - (shape.mouth_y - 0.03)) * (1 / _JAW_RAMP))
    hinge = 1 - 0.7 * _smoothstep((np.abs(x) * (1 / shape.width) - 0.5) * 2.0)
    return (JAW_DROP * jaw) * ramp * hinge


class _Egg:
    """F and its gradient at points; everything float32."""

    def __init__(self, shape: HeadShape, jaw: float) -> None:
        self.shape, self.jaw = shape, jaw
        self.a2, self.c2 = np.float32(1 / shape.width**2), np.float32(1 / shape.depth**2)

    def profile(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """m(y) and z0(y)."""
        low = np.minimum(np.maximum(y, 0), 1.2)
        low2 = low * low
        return 1 - (0.30 * self.shape.taper) * low2, _CHIN_FORWARD * low2

    def value(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
        """F, dF/dx, dF/dy, dF/dz, rest y, m, z - z0."""
        scale = np.float32(1 / self.shape.size)
        if self.jaw > 0:
            y = y - jaw_shift(self.shape, x, y, self.jaw)
        if self.shape.inflate:
            x, y, z = x * scale, y * scale, z * scale
        m, z0 = self.profile(y)
        low = np.minimum(np.maximum(y, 0), 1.2)
        height = np.abs(y)
        depth = z - z0
        xm = x / m
        power = height ** np.float32(self.shape.squareness - 1)
        x2, z2 = xm * xm * self.a2, depth * depth * self.c2
        value = x2 + z2 + power * height - 1
        dx = (2 * self.a2) * xm / m
        dz = (2 * self.c2) * depth
        dy = self.shape.squareness * power * np.sign(y)
        dy = dy + low * ((1.2 * self.shape.taper) * x2 / m - (2 * _CHIN_FORWARD) * dz)
        return value, dx, dy, dz, y, m, depth


def cast(shape: HeadShape, turn: np.ndarray, sx: np.ndarray, sy: np.ndarray, jaw: float = 0.0) -> Surface:
    """Rays along the view through camera points (sx, sy), float32 [h, w] in head units around the head's middle.

    `turn` is `rotation(pose)`; `jaw` 0..1.
    """
    egg = _Egg(shape, jaw)
    to_object = turn.T.astype(np.float32)
    direction = to_object[:, 2]
    origin = [row[0] * sx + row[1] * sy for row in to_object]
    radii = np.array([shape.width, 1.0, shape.depth], dtype=np.float32) * np.float32(shape.size)
    inverse2 = 1 / radii**2
    a = float(np.sum(direction**2 * inverse2))
    t = -sum(origin[i] * np.float32(direction[i] * inverse2[i]) for i in range(3)) / np.float32(a)

    def at(t: np.ndarray) -> tuple[np.ndarray, ...]:
        result = egg.value(*(origin[i] + t * direction[i] for i in range(3)))
        slope = (result[1] * direction[0] + result[2] * direction[1] + result[3] * direction[2]) / shape.size
        return (*result, slope)

    for _ in range(2):  # the point of the ray deepest in the head
        t = t - np.minimum(np.maximum(at(t)[7] * np.float32(0.5 / a), -0.3), 0.3)
    found = at(t)
    steepness = np.sqrt(found[1] ** 2 + found[2] ** 2 + found[3] ** 2) / shape.size
    inside = -found[0] / np.maximum(steepness, 0.2)
    t = t + np.sqrt(np.maximum(-found[0], 0) / np.float32(a))
    for _ in range(2):
        found = at(t)
        t = t - np.minimum(np.maximum(found[0] / np.maximum(found[7], 0.4), -0.12), 0.12)
    _, dx, dy, dz, rest_y, m, depth, _ = at(t)
    normal = np.stack((dx, dy, dz), axis=-1) @ turn.T.astype(np.float32)
    normal /= np.sqrt(np.einsum("...i,...i", normal, normal) + 1e-9)[..., None]
    radius = shape.width * m * np.sqrt(np.clip(1 - np.abs(rest_y) ** np.float32(shape.squareness), 0.01, 1))
    x = (origin[0] + t * direction[0]) / shape.size
    angle = np.arctan2(x / (shape.width * m), depth / shape.depth)
    return Surface(radius * angle, rest_y, origin[1] + t * direction[1], normal, inside)


def point_on(shape: HeadShape, arc: ArrayLike, y: ArrayLike, jaw: float = 0.0) -> np.ndarray:
    """Object-space points [n, 3] of painter's coordinates [n] (y of the rest shape, moved by the jaw)."""
    arcs, y = np.asarray(arc, dtype=np.float64), np.asarray(y, dtype=np.float64)
    m, z0 = _Egg(shape, 0.0).profile(y)
    ring = np.sqrt(np.clip(1 - np.abs(y) ** shape.squareness, 0.01, 1))
    radius = shape.width * m * ring
    angle = arcs / radius
    x = radius * np.sin(angle)
    moved = y
    for _ in range(8 if jaw > 0 else 0):  # solves moved - jaw_shift(moved) = y
        moved = y + jaw_shift(shape, x, moved, jaw)
    return np.stack((x, moved, z0 + shape.depth * ring * np.cos(angle)), axis=-1) * shape.size
