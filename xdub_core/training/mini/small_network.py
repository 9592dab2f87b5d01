"""A small network on the training loop: settings that suit one, and a network with its losses as an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, drawn
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.trainer import train

Made = TypeVar("Made")
Losses = Callable[[Batch, torch.Generator], Mapping[str, Tensor]]
"""A batch's losses by name; they are summed."""


@dataclass(frozen=True)
class NetworkSettings(TrainerSettings):
    """A small network's: a cosine to a hundredth of the rate, biases and norms that do not decay, no average."""

    learning_rate: float = 1e-3
    warmup: int = 50
    schedule: Literal["constant", "cosine"] = "cosine"
    final_rate: float = 0.01
    weight_decay: float = 1e-4
    decay_vectors: bool = False
    betas: tuple[float, float] = (0.9, 0.98)
    average: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"


class _Objective(nn.Module):
    def __init__(self, network: nn.Module, losses: Losses) -> None:
        super().__init__()
        self.network, self.losses = network, losses

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        parts = self.losses(batch, generator)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}


def train_network(
    name: str,
    network: nn.Module,
    losses: Losses,
    draw: Callable[[torch.Generator], Batch],
    settings: TrainerSettings,
    folder: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
    device: torch.device | str = "cpu",
) -> None:
    """Train `network` in place by the `losses` of batches that `draw` makes; see `trainer.train`."""
    objective = _Objective(network, losses)
    train(objective, drawn(draw), settings, folder, name=name, device=device, on_progress=on_progress)


def seeded(seed: int, make: Callable[[], Made]) -> Made:
    """What `make` makes with PyTorch's random numbers of `seed`, which are as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
