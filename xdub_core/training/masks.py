"""Masks: what the generator paints, what the loss stresses, and both at the latents' resolution.

Masks are float tensors in 0..1, [..., frames, height, width] in pixels. Where they come from (a renderer, or a 3D
face model whose jaw is opened to a fixed maximum so that the mask's outline says nothing of the mouth: appendix A.3)
is no matter here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xdub_core.vae.grid import LatentGrid

MASKED_VALUE = 0.5
"""What hides the masked pixels: middle grey, the zero of the VAE's own range."""


def mask_out(frames: Tensor, mask: Tensor) -> Tensor:
    """V_bg: `frames` [..., H, W, 3] in 0..1 with the pixels of `mask` [..., H, W] hidden (section 3.1)."""
    kept = (1 - mask).unsqueeze(-1)
    return frames * kept + MASKED_VALUE * (1 - kept)


def latent_mask(mask: Tensor, grid: LatentGrid) -> Tensor:
    """A pixel mask [frames, H, W] at the latents' resolution: [1, f, h, w], the mean over each latent's pixels.

    Raises SamplingError when the number of frames is none of a causal VAE's.
    """
    count = grid.latents(len(mask))
    cells = F.avg_pool2d(mask.float().unsqueeze(1), grid.spatial).squeeze(1)  # [frames, h, w]
    later = cells[1:].unflatten(0, (-1, grid.temporal)).mean(1) if count > 1 else cells[:0]
    return torch.cat([cells[:1], later]).unsqueeze(0)


def feathered(mask: Tensor, sigma: float) -> Tensor:
    """The mask blurred by a Gaussian of `sigma` pixels (appendix B.5); its border is continued outwards."""
    if sigma <= 0:
        return mask
    radius = max(1, round(3 * sigma))
    taps = torch.exp(-((torch.arange(-radius, radius + 1).to(mask) / sigma) ** 2) / 2)
    taps = taps / taps.sum()
    images = F.pad(mask.reshape(-1, 1, *mask.shape[-2:]), [radius] * 4, mode="replicate")
    images = F.conv2d(F.conv2d(images, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return images.reshape(mask.shape)


def composite(generated: Tensor, original: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """V_post (appendix B.5): the generated face within the feathered `mask` [..., H, W], the original around it.

    The feather is half inside the mask: keep `sigma` small beside the mask's distance from the mouth, or the original
    mouth shows through.
    """
    alpha = feathered(mask, sigma).unsqueeze(-1)
    return alpha * generated + (1 - alpha) * original
