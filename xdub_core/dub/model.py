"""What a dub is made with: a VAE and a sampler of clips, which a host brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from xdub_core.sampling.clip_sampling import ClipSampler, DenoiserSampler, SamplerSettings
from xdub_core.sampling.denoiser import Denoiser, LatentNeeds, needs_of
from xdub_core.vae.protocol import VideoVAE


class DubbingModel(Protocol):
    """What makes the new lips: a VAE, samplers of clips, and the device that tensors are handed to them on."""

    @property
    def vae(self) -> VideoVAE: ...

    @property
    def device(self) -> torch.device | str: ...

    @property
    def needs(self) -> LatentNeeds | None:
        """The latents that the samplers take; None: any."""
        ...

    def sampler(self, settings: SamplerSettings) -> ClipSampler:
        """What samples the clips. A host with settings of its own may leave these aside."""
        ...


@dataclass(frozen=True)
class DubModel:
    """A VAE and a denoiser."""

    vae: VideoVAE
    denoiser: Denoiser
    device: torch.device | str = "cpu"

    @property
    def needs(self) -> LatentNeeds | None:
        return needs_of(self.denoiser)

    def sampler(self, settings: SamplerSettings) -> ClipSampler:
        return DenoiserSampler(self.denoiser, settings)
