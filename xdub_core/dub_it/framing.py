"""The source's picture in a size that LTX-2 takes, without cropping or stretching it, and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from xdub_core.errors import SettingsError

MULTIPLE = 32
"""Pixels of a latent, across and down."""
SMALLEST = 2 * MULTIPLE
"""Of each side: the VAE's decoder reflects a latent at the edges."""


@dataclass(frozen=True)
class Framing:
    """Sizes (width, height) in pixels: the source's, the same scaled, and that with a margin at the right and below."""

    source: tuple[int, int]
    scaled: tuple[int, int]
    padded: tuple[int, int]


def framing(width: int, height: int, longest: int) -> Framing:
    """That of a source for a longer side of `longest` pixels at most; a smaller source is not enlarged.

    Raises SettingsError where nothing would be left of the shorter side.
    """
    factor = min(1.0, longest / max(width, height))
    scaled = round(width * factor), round(height * factor)
    if min(scaled) < MULTIPLE:
        raise SettingsError(
            f"a picture of {width} x {height} becomes {scaled[0]} x {scaled[1]} at size {longest}, and LTX-2 sees "
            f"nothing smaller than {MULTIPLE} pixels: raise size, or take a larger video"
        )
    across, down = (max(SMALLEST, -(-side // MULTIPLE) * MULTIPLE) for side in scaled)
    return Framing((width, height), scaled, (across, down))


def framed(images: Tensor, to: Framing) -> Tensor:
    """Frames [n, height, width, 3 or more] of the source as LTX-2 gets them; the margin repeats the picture's edge."""
    picture = images[..., :3].movedim(-1, 1)
    if to.scaled != to.source:
        picture = functional.interpolate(picture, to.scaled[::-1], mode="bilinear", antialias=True)
    right, below = (whole - side for whole, side in zip(to.padded, to.scaled, strict=True))
    if right or below:
        picture = functional.pad(picture, (0, right, 0, below), mode="replicate")
    return picture.movedim(1, -1).contiguous()


def unframed(images: Tensor, made: Framing) -> Tensor:
    """Frames of the padded size, or of a multiple of it, [n, height, width, 3] without the margin, at the source's."""
    factor = images.shape[2] // made.padded[0]
    width, height = (side * factor for side in made.scaled)
    picture = images[:, :height, :width].movedim(-1, 1)
    if (width, height) != made.source:
        picture = functional.interpolate(picture, made.source[::-1], mode="bicubic", antialias=True)
    return torch.clamp(picture.movedim(1, -1), 0, 1)
