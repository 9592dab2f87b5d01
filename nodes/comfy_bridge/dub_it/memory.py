"""What a clip needs at the very least, so that one that cannot be made is refused before the long work."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management

from xdub_core.dub_it.framing import MULTIPLE, Framing
from xdub_core.dub_it.times import latent_frames
from xdub_core.errors import SettingsError

WIDTHS = 6
"""Values of each token, in the model's widths, that exist at one time: the stream, its norm, and a feed-forward's 4."""
COPIES = 2
"""Pictures of each frame: the source's and the new one."""
GIGABYTE = 1e9


def check_memory(model: Any, frames: int, made: Framing, times: int = 1) -> None:
    """Raise SettingsError where a clip of `frames`, made at once, cannot be in the memory.

    `made`: its framing in the first stage, and `times` that in this one. That is the device's memory for one block's
    values, and the RAM for the clip's pictures. It is the least: weights, which core moves, are not counted, nor is
    what else a block or a VAE needs, so that a clip that passes may still be too large.
    """
    width, height = (times * side for side in made.padded)
    tokens = 2 * latent_frames(frames) * (width // MULTIPLE) * (height // MULTIPLE)  # with the context
    values = tokens * model.model.diffusion_model.patchify_proj.out_features * WIDTHS
    needed = values * model_management.dtype_size(model.model.get_dtype_inference())
    _check(
        needed, model_management.get_total_memory(model.load_device), f"{frames} frames of {width} x {height}"
    )
    pictures = COPIES * frames * made.source[0] * made.source[1] * 3 * 4
    free = model_management.get_free_memory(torch.device("cpu"))
    _check(pictures, free, f"the pictures of {frames} frames of {made.source[0]} x {made.source[1]}")


def _check(needed: float, there: float, what: str) -> None:
    if needed > there:
        raise SettingsError(
            f"{what} at once need {needed / GIGABYTE:.1f} GB at the least, and there are {there / GIGABYTE:.1f} GB: "
            "take a smaller size, fewer frames at once (longest), or a shorter or smaller video"
        )
