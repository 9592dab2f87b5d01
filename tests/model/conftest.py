"""A small DiT with seeded weights."""

import pytest
import torch

from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT

SMALL = DiTConfig(
    dim=48, heads=2, layers=2, ffn_dim=96, frequency_dim=32, text_dim=16, audio_dim=20,
    audio_inner_dim=32, audio_head_dim=16, audio_layers=1, latent_channels=4,
)  # fmt: skip


@pytest.fixture
def small_dit() -> XDubDiT:
    torch.manual_seed(0)
    return XDubDiT(SMALL)
