"""How a performance moves: pose, blinks, gaze, camera, light and occluders as functions of time.

Everything is a pure function of (seed, time), so any span of a performance can be made on its own, and nothing
depends on the speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_BLINK_SECONDS = 2.6  # one blink in every such span


@dataclass(frozen=True)
class MotionSettings:
    """Ranges of motion: angles in degrees, shifts in head units, `speed` a factor on time."""

    yaw: float = 16.0
    pitch: float = 8.0
    roll: float = 7.0
    shift: float = 0.06
    speed: float = 1.0


@dataclass(frozen=True)
class Pose:
    """The head at one moment.

    Attributes:
        yaw, pitch, roll: radians; yaw > 0 turns to the picture's right, pitch > 0 nods down.
        shift: (x, y) of the head in head units.
        scale: size factor (leaning to the camera).
        blink: 0 open .. 1 closed.
        gaze: (x, y) within -1..1.
        brow: -1..1 raised.
    """

    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    scale: float
    blink: float
    gaze: tuple[float, float]
    brow: float


def wander(seed: int, channel: int, seconds: float, speed: float = 1.0) -> float:
    """A smooth random curve within about -1..1: four sines of seeded speeds and phases."""
    rates, phases = _sines(seed, channel)
    return float(np.sum(_WEIGHTS * np.sin(rates * (2 * np.pi * speed * seconds) + phases)))


_WEIGHTS = np.array((0.55, 0.35, 0.18, 0.07))


@lru_cache(maxsize=4096)
def _sines(seed: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, channel, 23])
    return rng.uniform((0.08, 0.2, 0.4, 0.8), (0.2, 0.4, 0.8, 1.3)), rng.uniform(0, 2 * np.pi, 4)


@lru_cache(maxsize=512)
def pose_at(seed: int, seconds: float, settings: MotionSettings) -> Pose:
    """The head of this motion seed at this moment."""
    rest = np.random.default_rng([seed, 29]).uniform(-1, 1, 3)

    def angle(channel: int, span: float) -> float:
        return float(
            np.radians(span * (0.45 * rest[channel] + 0.75 * wander(seed, channel, seconds, settings.speed)))
        )

    return Pose(
        yaw=angle(0, settings.yaw),
        pitch=angle(1, settings.pitch),
        roll=angle(2, settings.roll),
        shift=(
            settings.shift * wander(seed, 3, seconds, settings.speed),
            settings.shift * wander(seed, 4, seconds, settings.speed),
        ),
        scale=1.0 + 0.03 * wander(seed, 5, seconds, settings.speed),
        blink=_blink(seed, seconds),
        gaze=_gaze(seed, seconds),
        brow=wander(seed, 6, seconds),
    )


def _blink(seed: int, seconds: float) -> float:
    slot = int(np.floor(seconds / _BLINK_SECONDS))
    middle = (slot + np.random.default_rng([seed, 31, slot + 1]).uniform(0.15, 0.85)) * _BLINK_SECONDS
    return float(np.clip(1.3 - abs(seconds - middle) / 0.09, 0.0, 1.0))


def _gaze(seed: int, seconds: float) -> tuple[float, float]:
    """Jumps between seeded points, a new one every 0.9 s, each reached in 80 ms."""
    slot, inside = int(np.floor(seconds / 0.9)), (seconds / 0.9) % 1.0
    here, before = (
        np.random.default_rng([seed, 37, index + 2]).normal(0, 0.35, 2) for index in (slot, slot - 1)
    )
    share = min(inside * 0.9 / 0.08, 1.0)
    x, y = np.clip(before + (here - before) * share, -1, 1)
    return float(x), float(y) * 0.5


@dataclass(frozen=True)
class Light:
    """A key light and surrounding light.

    Attributes:
        direction: unit vector towards the light; x right, y down, z to the camera.
        key, ambient: RGB strengths.
    """

    direction: tuple[float, float, float]
    key: tuple[float, float, float]
    ambient: tuple[float, float, float]


def light_at(seed: int, seconds: float, moving: bool) -> Light:
    """The light of this seed at this moment; `moving` swings it to and fro and changes its strength and colour."""
    rng = np.random.default_rng([seed, 41])
    side, height, warmth, power = rng.uniform((-0.8, -0.75, -0.08, 0.62), (0.8, -0.1, 0.08, 0.8))
    cool = rng.uniform(-0.04, 0.04)
    if moving:
        side = 1.1 * wander(seed, 7, seconds, 2.5)
        height += 0.3 * wander(seed, 8, seconds, 2.0)
        power *= 1.0 + 0.25 * wander(seed, 9, seconds, 3.0)
        warmth += 0.12 * wander(seed, 10, seconds, 2.0)
    x, y, z = np.array((side, height, 0.85)) / np.linalg.norm((side, height, 0.85))
    key = np.clip(power * np.array((1 + warmth, 1.0, 1 - warmth)), 0.1, 1.2)
    ambient = (0.98 - 0.55 * power) * 0.92 * np.array((1 - cool, 1.0, 1 + cool))
    return Light((float(x), float(y), float(z)), _triple(key), _triple(ambient))


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
