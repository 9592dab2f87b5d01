"""A mini of random weights in a folder, as the built-in one lies in the package, and media small enough for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from xdub_core.experts.expert import Expert, ExpertInfo, LowRank, save_expert
from xdub_core.media.output.writer import VideoWriter
from xdub_core.mini.card import MiniCard, save_card
from xdub_core.mini.face_landmarks import LandmarkConfig, LandmarkFinder, LandmarkNet
from xdub_core.mini.identity_net import IdentityConfig, IdentityNet
from xdub_core.mini.network_files import DIT, LIP_EXPERT, MiniNetworks, save_networks
from xdub_core.mini.phonemes import PhonemeConfig, PhonemeNet
from xdub_core.mini.syncnet import SyncConfig, SyncNet
from xdub_core.mini.vae_net import VAEConfig, VAENet
from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import save_dit

CARD = MiniCard(crop=32, clip_frames=13, motion_frames=5, steps=2)
RATE = 16000


def make_mini(folder: Path) -> Path:
    """Write a whole mini, with a lip expert."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        video_vae = VAENet(VAEConfig(channels=48))
        networks = MiniNetworks(
            video_vae,
            PhonemeNet(PhonemeConfig(phonemes=20, width=20)),
            SyncNet(SyncConfig()),
            LandmarkFinder(LandmarkNet(LandmarkConfig()), LandmarkNet(LandmarkConfig())),
            IdentityNet(IdentityConfig()),
        )
        save_networks(networks, folder)
        config = DiTConfig(
            dim=48, heads=2, layers=2, ffn_dim=96, frequency_dim=32, text_dim=16, audio_dim=20,
            audio_inner_dim=32, audio_head_dim=16, audio_layers=1, latent_channels=48,
        )  # fmt: skip
        save_dit(XDubDiT(config), folder / DIT)
        change = LowRank(torch.randn(2, 48), 0.1 * torch.randn(48, 2))
        expert = Expert(ExpertInfo("lip", 2, 2.0, 0.4, 0.8), {"blocks.0.self_attn.q": change})
        save_expert(expert, folder / LIP_EXPERT)
    save_card(folder, CARD)
    return folder


def write_footage(path: Path, frames: int = 30, width: int = 80, height: int = 64, fps: int = 25) -> Path:
    """A video of slowly moving colours."""
    y, x = np.mgrid[:height, :width]
    with VideoWriter(path, width, height, fps) as writer:
        for number in range(frames):
            waves = [np.sin((x + number) / 9), np.cos((y - number) / 7), np.sin((x + y) / 11)]
            writer.write((120 + 60 * np.stack(waves, -1)).astype(np.uint8))
    return path


def speech(seconds: float, rate: int = RATE) -> dict:
    """AUDIO of a buzz in syllables."""
    time = torch.arange(round(seconds * rate)) / rate
    sound = 0.3 * torch.sin(2 * torch.pi * 130 * time) * (torch.sin(2 * torch.pi * 4 * time) > 0)
    return {"waveform": sound[None, None].repeat(1, 2, 1), "sample_rate": rate}
