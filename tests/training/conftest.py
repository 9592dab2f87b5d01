"""A tiny DiT and toy clips whose lower half says what the audio says."""

import pytest
import torch

from xdub_core.model.config import DiTConfig
from xdub_core.model.dit import XDubDiT
from xdub_core.training.initial import initialise
from xdub_core.training.settings import TrainerSettings

TINY = DiTConfig(
    dim=32, heads=2, layers=2, ffn_dim=64, frequency_dim=32, text_dim=8, audio_dim=6,
    audio_inner_dim=16, audio_head_dim=8, audio_layers=1, latent_channels=4,
)  # fmt: skip
FRAMES, SIDE, STILLS = 4, 4, 2


def tiny_dit(config=TINY, seed=0):
    dit = XDubDiT(config)
    initialise(dit, torch.Generator().manual_seed(seed))
    return dit


def tiny_batch(samples=4, seed=0, background=False):
    """Clips whose lower half is the first audio channel of each frame, on a picture that the reference shares."""
    random = torch.Generator().manual_seed(seed)
    picture = torch.randn(samples, 4, 1, SIDE, SIDE, generator=random)
    level = torch.randn(samples, FRAMES, generator=random).sign()
    other = torch.randn(samples, FRAMES, generator=random).sign()
    lip = torch.zeros(samples, 1, FRAMES, SIDE, SIDE)
    lip[..., SIDE // 2 :, :] = 1

    def clip(levels):
        return picture * (1 - lip) + levels.view(samples, 1, FRAMES, 1, 1) * lip

    audio = torch.randn(samples, FRAMES, 8, 6, generator=random) * 0.1
    audio[..., 0] = level.unsqueeze(-1)
    batch = {"target": clip(level), "reference": clip(other), "audio": audio, "face": lip, "lip": lip}
    batch["rows"] = torch.randn(samples, 2 * (4 * FRAMES - 3), 3, generator=random)
    if background:
        batch["background"] = picture * (1 - lip)
        batch["reference"] = batch["reference"][:, :, :STILLS]
    return batch


def context(config=TINY):
    return torch.zeros(1, 1, config.text_dim)


@pytest.fixture
def settings():
    return TrainerSettings(
        steps=6, batch_size=2, learning_rate=1e-3, warmup=2, precision="float32", average=0.9,
        checkpoint_every=2, log_every=1,
    )  # fmt: skip
