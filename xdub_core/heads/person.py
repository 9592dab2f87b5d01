"""Who a synthetic head is: shape, colours, hair and the like, drawn from one seed.

Lengths are in head units: 1 is half the head's height from chin to crown, y grows downwards, the origin is the
head's middle. Colours are linear-ish RGB in 0..1.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]

HAIR_STYLES = (
    "bald", "short", "fringe", "side", "long", "bob",
    "afro", "bun", "receding", "beanie", "cap", "scarf",
)  # fmt: skip
BEARD_STYLES = ("none", "none", "none", "none", "stubble", "moustache", "goatee", "full")
GLASSES_STYLES = ("none", "none", "none", "none", "round", "square", "thick")
STYLES = ("natural", "natural", "natural", "cartoon")


@dataclass(frozen=True)
class Person:
    """One synthetic person; all lengths in head units.

    Attributes:
        seed: what it was drawn from; also seeds the skin's texture.
        style: "natural" or "cartoon" (flat colours, big eyes, dark contours).
        head_width, head_depth: half-widths of the head.
        jaw_taper: 0 (round) to 1 (narrow chin); `squareness` 2 (oval) to 3 (square).
        mouth_width: half-width at rest; `lip_upper`, `lip_lower` thickness; `mouth_y` height.
        expressiveness: factor on the mouth's movements.
    """

    seed: int
    style: str
    head_width: float
    head_depth: float
    jaw_taper: float
    squareness: float
    skin: Color
    skin_roughness: float
    freckles: float
    blush: float
    hair_style: str
    hair: Color
    hair_volume: float
    beard_style: str
    glasses_style: str
    glasses: Color
    eye_x: float
    eye_y: float
    eye_size: float
    iris: Color
    brow_height: float
    brow_thickness: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    nose_height: float
    mouth_y: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    lip: Color
    teeth: Color
    neck_width: float
    shoulder_width: float
    cloth: Color
    cloth_pattern: int
    expressiveness: float


_SKINS: tuple[Color, ...] = (
    (0.96, 0.82, 0.72), (0.93, 0.76, 0.64), (0.87, 0.68, 0.53), (0.80, 0.59, 0.43),
    (0.68, 0.47, 0.33), (0.54, 0.36, 0.25), (0.47, 0.32, 0.23), (0.40, 0.26, 0.20),
)  # fmt: skip
_HAIRS: tuple[Color, ...] = (
    (0.10, 0.08, 0.07), (0.20, 0.13, 0.09), (0.34, 0.21, 0.12), (0.50, 0.32, 0.17),
    (0.78, 0.61, 0.34), (0.60, 0.25, 0.10), (0.62, 0.61, 0.60), (0.86, 0.85, 0.83),
)  # fmt: skip
_VIVID_HAIRS: tuple[Color, ...] = ((0.25, 0.35, 0.75), (0.80, 0.30, 0.55), (0.25, 0.60, 0.45))
_CARTOON_SKINS: tuple[Color, ...] = (
    (0.55, 0.78, 0.50), (0.55, 0.70, 0.92), (0.98, 0.80, 0.35), (0.85, 0.62, 0.85),
)  # fmt: skip
_IRISES: tuple[Color, ...] = (
    (0.28, 0.17, 0.09), (0.40, 0.26, 0.13), (0.30, 0.45, 0.62), (0.33, 0.48, 0.30), (0.45, 0.47, 0.48),
)  # fmt: skip


def make_person(seed: int) -> Person:
    """The person of this seed; always the same."""
    rng = np.random.default_rng([seed, 11])
    uniform = lambda low, high: float(rng.uniform(low, high))  # noqa: E731
    choose = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    style = choose(STYLES)
    cartoon = style == "cartoon"
    skin = _jitter(choose(_CARTOON_SKINS) if cartoon and rng.random() < 0.5 else choose(_SKINS), 0.03, rng)
    hair_style = choose(HAIR_STYLES)
    hat = hair_style in ("beanie", "cap", "scarf")
    hair = (
        _cloth_color(rng)
        if hat
        else _jitter(choose(_VIVID_HAIRS if rng.random() < 0.1 else _HAIRS), 0.03, rng)
    )
    feminine = rng.random() < 0.5
    return Person(
        seed=seed,
        style=style,
        head_width=uniform(0.70, 0.82),
        head_depth=uniform(0.82, 0.92),
        jaw_taper=uniform(0.15, 0.75),
        squareness=uniform(2.0, 2.7),
        skin=skin,
        skin_roughness=0.3 if cartoon else uniform(0.5, 1.2),
        freckles=uniform(0.3, 1.0) if rng.random() < 0.25 else 0.0,
        blush=uniform(0.0, 0.6),
        hair_style=hair_style,
        hair=hair,
        hair_volume=uniform(0.06, 0.16),
        beard_style="none" if feminine else choose(BEARD_STYLES[2:]),
        glasses_style=choose(GLASSES_STYLES),
        glasses=choose(((0.08, 0.08, 0.09), (0.35, 0.2, 0.1), (0.6, 0.1, 0.12), (0.75, 0.7, 0.6))),
        eye_x=uniform(0.27, 0.34),
        eye_y=uniform(-0.10, 0.0),
        eye_size=uniform(0.135, 0.165) if cartoon else uniform(0.095, 0.125),
        iris=choose(_IRISES),
        brow_height=uniform(0.17, 0.24),
        brow_thickness=uniform(0.022, 0.055),
        brow_tilt=uniform(-0.04, 0.06),
        nose_width=uniform(0.10, 0.17),
        nose_length=uniform(0.28, 0.38),
        nose_height=uniform(0.10, 0.18),
        mouth_y=uniform(0.50, 0.56),
        mouth_width=uniform(0.285, 0.335),
        lip_upper=uniform(0.04, 0.075),
        lip_lower=uniform(0.055, 0.095),
        lip=_lip_color(skin, uniform(0.25, 0.9) if feminine else uniform(0.1, 0.4), rng),
        teeth=_jitter((0.93, 0.91, 0.86), 0.03, rng),
        neck_width=uniform(0.36, 0.44) if feminine else uniform(0.42, 0.54),
        shoulder_width=uniform(1.35, 1.6) if feminine else uniform(1.5, 1.9),
        cloth=_cloth_color(rng),
        cloth_pattern=int(rng.integers(4)),
        expressiveness=uniform(0.92, 1.1),
    )


def _jitter(color: Color, amount: float, rng: np.random.Generator) -> Color:
    red, green, blue = np.clip(np.array(color) + rng.uniform(-amount, amount, 3), 0.02, 0.98)
    return float(red), float(green), float(blue)


def _cloth_color(rng: np.random.Generator) -> Color:
    return colorsys.hsv_to_rgb(
        float(rng.random()), float(rng.uniform(0.15, 0.75)), float(rng.uniform(0.2, 0.85))
    )


def _lip_color(skin: Color, redness: float, rng: np.random.Generator) -> Color:
    red = np.array([0.72, 0.22, 0.24]) * (0.45 + 0.65 * max(skin))
    mixed = np.array(skin) * np.array([0.90, 0.62, 0.60]) * (1 - redness) + red * redness
    return _jitter((float(mixed[0]), float(mixed[1]), float(mixed[2])), 0.02, rng)
