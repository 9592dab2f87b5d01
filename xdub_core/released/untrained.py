"""A small DiT that has learnt nothing, with a seed: for tests, measurements and trying the pipeline without weights.

It has X-Dub's geometry (512-pixel crops, 48 latent channels, 77-frame clips) and every one of its mechanisms, and
turns the face into noise. It is no dub and is never offered as one.
"""

from __future__ import annotations

import torch

from xdub_core.audio.encoded import log_mel_features
from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import Recording
from xdub_core.dub.model import DubModel
from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.vae.cosine import CosineVAE

UNTRAINED = DiTConfig(
    dim=48,
    heads=2,
    layers=2,
    ffn_dim=96,
    frequency_dim=32,
    text_dim=16,
    audio_dim=32,
    audio_inner_dim=32,
    audio_head_dim=16,
    audio_layers=1,
)


def untrained_model(
    seed: int = 0, config: DiTConfig = UNTRAINED, device: torch.device | str = "cpu"
) -> DubModel:
    """The VAE without weights and a DiT of seeded random ones. The global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dit = XDubDiT(config).eval().requires_grad_(False).to(device)
    context = torch.zeros(1, 1, config.text_dim, device=device)
    return DubModel(CosineVAE(config.latent_channels), DiTDenoiser(dit, context), device)


def untrained_features(recording: Recording, config: DiTConfig = UNTRAINED) -> AudioFeatures:
    """Features that need no encoder: a seeded projection of the log-mel spectrogram."""
    return log_mel_features(recording, config.audio_dim)
