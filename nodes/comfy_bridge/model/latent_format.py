"""Which latent format belongs to a latent of so many channels: one rule for the model and for the VAE.

On ComfyUI's links latents are the VAE's own numbers; the model and the engine work on normalised ones. The format
translates: `process_in` normalises, `process_out` goes back.
"""

from __future__ import annotations

import comfy.latent_formats

from xdub_core.vae.grid import WAN_GRID


class PlainVideoLatents(comfy.latent_formats.LatentFormat):
    """Video latents that the VAE gives normalised already, as small models' VAEs do."""

    scale_factor = 1.0
    latent_dimensions = 3
    temporal_downscale_ratio = WAN_GRID.temporal

    def __init__(self, channels: int) -> None:
        self.latent_channels = channels


def latent_format(channels: int) -> comfy.latent_formats.LatentFormat:
    """Wan2.2's format for 48 channels, else one that changes nothing."""
    if channels == WAN_GRID.channels:
        return comfy.latent_formats.Wan22()
    return PlainVideoLatents(channels)
