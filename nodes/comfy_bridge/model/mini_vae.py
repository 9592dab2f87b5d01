"""The built-in model's VAE in ComfyUI's own class, for core's own VAE nodes as well."""

from __future__ import annotations

import comfy.model_management as management
import comfy.sd
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from xdub_core.mini.vae import PIECE, MiniVAE
from xdub_core.mini.vae_net import VAENet

from .latent_format import latent_format

_BYTES_A_PIXEL = 4000
"""Of activations: measured at about 2,600 in float32."""


class MiniVaeNetwork(nn.Module):
    """What core's VAE class calls: videos [B, 3, F, H, W] in -1..1 to raw latents and back."""

    latents_looked_back = 1
    """How many latents before it a latent's frames depend on."""

    def __init__(self, network: VAENet) -> None:
        super().__init__()
        self.network = network
        self._format = latent_format(network.config.channels)

    def encode(self, video: Tensor) -> Tensor:
        """Videos to latents [B, C, f, h, w]."""
        video_vae = MiniVAE(self.network)
        surplus = (video.shape[2] - 1) % video_vae.grid.temporal  # cut off, as core's Wan VAE does
        frames = (video.movedim(1, -1) + 1) / 2
        latents = torch.cat([video_vae.encode(one[: len(one) - surplus]) for one in frames])
        return self._format.process_out(latents)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to videos."""
        video_vae = MiniVAE(self.network)
        normalised = self._format.process_in(latents.float())
        frames = torch.stack([video_vae.decode(one[None]) for one in normalised])
        return 2 * frames.movedim(-1, 1) - 1


class MiniVae(comfy.sd.VAE):
    """Core's VAE class around the network: it brings loading, offloading, tiling and everything that nodes ask for."""

    def __init__(self, network: VAENet) -> None:
        # Core's own constructor recognises files; what it would set is set here.
        self.first_stage_model = MiniVaeNetwork(network).eval()
        grid = network.config.grid
        temporal, spatial = grid.temporal, grid.spatial
        self.latent_channels = grid.channels
        self.latent_dim = 3
        self.output_channels = 3
        self.upscale_ratio = (grid.frames, spatial, spatial)
        self.upscale_index_formula = (temporal, spatial, spatial)
        self.downscale_ratio = (lambda f: max(0, (f + temporal - 1) // temporal), spatial, spatial)
        self.downscale_index_formula = (temporal, spatial, spatial)
        self.memory_used_encode = lambda shape, _: _BYTES_A_PIXEL * PIECE * temporal * shape[3] * shape[4]
        self.memory_used_decode = lambda shape, _: (
            _BYTES_A_PIXEL * temporal * shape[3] * shape[4] * spatial**2
        )
        self.process_input = lambda image: image * 2.0 - 1.0
        self.process_output = lambda image: image.add_(1.0).div_(2.0).clamp_(0.0, 1.0)
        self.crop_input = True
        self.pad_channel_value = None
        self.extra_1d_channel = None
        self.handles_tiling = False
        self.not_video = False
        self.format_encoded = None
        self.disable_offload = False
        self.working_dtypes = [torch.float32]
        self.vae_dtype = torch.float32
        self.size = None
        self.audio_sample_rate = 44100
        self.device = management.vae_device()
        self.output_device = management.intermediate_device()
        self.patcher = ModelPatcher(
            self.first_stage_model, load_device=self.device, offload_device=management.vae_offload_device()
        )
