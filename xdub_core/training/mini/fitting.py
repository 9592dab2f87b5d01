"""One small training loop for all of the mini's networks but the DiT: seeded, resumable after a kill, reporting.

A step's randomness comes from (seed, step) alone, so a run that was killed and resumed makes the same network as
one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError, SamplingError, SettingsError
from xdub_core.files import write_whole
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.training.muon import Muon
from xdub_core.training.precision import mixed_precision


@dataclass(frozen=True)
class FitSettings:
    """How to train a small network.

    `steps` of `batch` examples each; `learning_rate` is reached after `warmup` steps and falls along a cosine to a
    hundredth of itself; `matrix_rate`: as much for weight matrices that Muon takes (None: AdamW takes all);
    `save_every` steps the state is written; `autocast`: bfloat16 where it is safe and fast.
    """

    steps: int
    batch: int = 8
    learning_rate: float = 1e-3
    matrix_rate: float | None = None
    warmup: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    seed: int = 0
    save_every: int = 200
    autocast: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.save_every < 1:
            raise SettingsError(
                f"training needs at least 1 step, 1 example a batch and 1 step between states, not "
                f"{self.steps}, {self.batch} and {self.save_every}"
            )

    def share(self, step: int) -> float:
        """The share of the learning rate that a step takes, 0..1."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


StepLoss = Callable[[torch.Generator], Mapping[str, Tensor]]
"""One step's losses by name, from the step's own random numbers; they are summed."""


def fit(
    name: str,
    network: nn.Module,
    step_loss: StepLoss,
    settings: FitSettings,
    state_file: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> None:
    """Train `network` in place; goes on where `state_file` left off, if it exists.

    The state (weights, optimiser, step) is written whole or not at all, every `save_every` steps and at the end, so
    a killed run loses no more than that, and a finished one is not repeated.

    Raises CheckpointError where the state belongs to another network or other settings, SamplingError where the loss
    is not a number, and whatever `on_progress` raises.
    """
    optimizers = _optimizers(network, settings)
    rates = [optimizer.defaults["lr"] for optimizer in optimizers]
    first = _restore(state_file, network, optimizers, settings) if state_file is not None else 0
    device = next(network.parameters()).device
    network.train()
    for step in range(first, settings.steps):
        for optimizer, rate in zip(optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * settings.share(step)
        with mixed_precision(device, settings.autocast):
            losses = step_loss(step_generator(settings.seed, step))
        total = torch.stack(list(losses.values())).sum()
        network.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        if not (torch.isfinite(total) and torch.isfinite(norm)):
            raise SamplingError(
                f"training {name}: the loss of step {step} or its gradient is no number: use a lower learning rate"
            )
        for optimizer in optimizers:
            optimizer.step()
        done = step + 1
        if state_file is not None and (done % settings.save_every == 0 or done == settings.steps):
            _save(state_file, network, optimizers, settings, done)
        on_progress(
            Progress(name, done, settings.steps, losses={k: float(v.detach()) for k, v in losses.items()})
        )
    network.eval()


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step of one run."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def pick(count: int, batch: int, generator: torch.Generator) -> list[int]:
    """`batch` indices out of `count` examples, at random."""
    return torch.randint(count, (batch,), generator=generator).tolist()


def _optimizers(network: nn.Module, settings: FitSettings) -> list[torch.optim.Optimizer]:
    """AdamW, and where it is wanted Muon for the `inner_matrices`."""
    inner = inner_matrices(network) if settings.matrix_rate is not None else []
    taken = {id(weight) for weight in inner}
    others = [p for p in network.parameters() if id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
    return [adam] if not inner else [adam, Muon(inner, lr=settings.matrix_rate or 0.0)]


def inner_matrices(network: nn.Module) -> list[Tensor]:
    """The weights of 3x3 convolutions: what Muon takes."""
    return [
        module.weight
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.weight[0, 0].numel() > 1
    ]


def _save(
    state_file: Path,
    network: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: FitSettings,
    step: int,
) -> None:
    state_file.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "network": network.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "settings": asdict(settings),
        "step": step,
    }
    write_whole(state_file, lambda file: torch.save(state, file))


def _restore(
    state_file: Path,
    network: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: FitSettings,
) -> int:
    if not state_file.exists():
        return 0
    try:
        state: dict[str, Any] = torch.load(state_file, map_location="cpu", weights_only=True)
        if state["settings"] != asdict(settings):
            raise CheckpointError(
                f"{state_file} was written by training with other settings: delete it to start anew"
            )
        network.load_state_dict(state["network"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
    except (RuntimeError, KeyError, ValueError, EOFError) as error:
        raise CheckpointError(
            f"{state_file} is not this network's training state ({type(error).__name__}): delete it to start anew"
        ) from error
    return int(state["step"])
