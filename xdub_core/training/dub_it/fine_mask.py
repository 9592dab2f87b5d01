"""Latent-aware fine masking (Sec. 3.2): which latent cells know anything of the lips.

The encoder's receptive field is large, so that what the lips do stands in the cells of the jaw and the cheeks, too, and
before and after. Cells are therefore found by encoding the clip twice, as it is and with the lips blacked out: what
differs has to be made anew. That is the main text's definition. The appendix (A.1) encodes "the masked video" and an
all-black one instead, which marks the lips only where everything but them is black, which it does not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from xdub_core.dub_it.times import FRAMES_PER_LATENT
from xdub_core.errors import SettingsError

THRESHOLD = 0.1
"""tau (Sec. A.1), in units of the latents, whose channels have a deviation of about 1."""


@dataclass(frozen=True)
class FineMaskSettings:
    """Which cells are made anew.

    `threshold`: tau. `channels`: which of a cell's differences is compared with it; the paper does not say. "any": the
    largest, so that no channel keeps anything of the lips; "mean": the average of all.
    """

    threshold: float = THRESHOLD
    channels: Literal["any", "mean"] = "any"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < float("inf"):
            raise SettingsError(
                f"the fine mask's threshold is {self.threshold}: take 0 or more, 0.1 as the paper"
            )
        if self.channels not in ("any", "mean"):
            raise SettingsError(f"the fine mask's channels are {self.channels!r}: take any or mean")


@dataclass(frozen=True)
class Spread:
    """What of the cells that differ between two clips a mask holds.

    `coverage`: the mask's share of all cells. `inside`: the share of its cells that changed; `outside`: of the others.
    `held`: the share of all changed cells that are in it.
    """

    coverage: float
    inside: float
    outside: float
    held: float


def latent_difference(plain: Tensor, masked: Tensor, channels: str = "any") -> Tensor:
    """How far each cell differs: [frames, height, width], of latents [channels, frames, height, width]."""
    if plain.shape != masked.shape or plain.ndim != 4:
        raise SettingsError(
            f"latents of {list(plain.shape)} and {list(masked.shape)} cannot be compared: encode both of one size"
        )
    difference = (plain.float() - masked.float()).abs()
    return difference.amax(0) if channels == "any" else difference.mean(0)


def fine_mask(plain: Tensor, masked: Tensor, settings: FineMaskSettings | None = None) -> Tensor:
    """Cells to make anew, bool [frames, height, width]: |E(x) - E(x with the lips blacked out)| > tau.

    `plain`, `masked`: latents [channels, frames, height, width] of the clip as it is, and with its lips blacked out.
    Raises SettingsError where sizes differ, or no cell differs: then nothing would be made anew.
    """
    settings = settings or FineMaskSettings()
    mask = latent_difference(plain, masked, settings.channels) > settings.threshold
    if not mask.any():
        raise SettingsError(
            f"blacking out the lips changes no latent by more than {settings.threshold:g}: lower the fine mask's "
            "threshold, or look whether the lips were found"
        )
    return mask


def coarse_mask(lips: Tensor, cell: int = 32) -> Tensor:
    """The naive mask (Sec. 3.2), bool [latent frames, height, width]: the cells that lips [frames, H, W] lie in."""
    size = lips.shape[1] // cell, lips.shape[2] // cell
    held = torch.nn.functional.adaptive_max_pool2d(lips.float()[:, None], size)[:, 0] > 0
    later = held[1:].unflatten(0, (-1, FRAMES_PER_LATENT)).any(1) if len(held) > 1 else held[:0]
    return torch.cat((held[:1], later))


def spread(mask: Tensor, plain: Tensor, other: Tensor, threshold: float = THRESHOLD) -> Spread:
    """Where the latents of another clip differ from the first's by more than the threshold, in any channel."""
    changed = latent_difference(plain, other) > threshold
    return Spread(
        coverage=_share(mask),
        inside=_share(changed[mask]),
        outside=_share(changed[~mask]),
        held=_share(mask[changed]),
    )


def lip_mask(boxes: np.ndarray, frames: range, count: int, size: tuple[int, int]) -> np.ndarray:
    """Where the lips are, bool [count, height, width], in those `frames`; nowhere in the others.

    `boxes`: [count, 4] xyxy in pixels; where they were not found (NaN), they are where they were last, or first.
    `size`: width and height. Raises SettingsError where they were found in none of the frames.
    """
    width, height = size
    mask = np.zeros((count, height, width), bool)
    known = [number for number in frames if np.isfinite(boxes[number]).all()]
    if not known:
        raise SettingsError("the lips were found in no frame of the half: it cannot be made anew")
    for number in frames:
        nearest = max((other for other in known if other <= number), default=known[0])
        x0, y0, x1, y1 = boxes[nearest]
        rows = slice(max(0, int(np.floor(y0))), max(0, int(np.ceil(y1))))
        mask[number, rows, max(0, int(np.floor(x0))) : max(0, int(np.ceil(x1)))] = True
    return mask


def _share(cells: Tensor) -> float:
    return float(cells.float().mean()) if cells.numel() else 0.0
