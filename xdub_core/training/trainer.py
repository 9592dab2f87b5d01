"""The training loop: on one CPU or GPU, or on several with torchrun; it stops and goes on at any step.

Everything random in a step (timesteps, noise, dropped conditions) comes from a generator seeded by (seed, step,
process), and the step fixes the batch. So a run that was killed and resumed ends in the very weights of one that was
not.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from xdub_core.errors import CheckpointError, SamplingError, SettingsError
from xdub_core.files import write_text_whole
from xdub_core.training.example_files import Examples, batch_indices, load_batches
from xdub_core.training.optimizers import OptimizerKind, make_optimizers
from xdub_core.training.precision import mixed_precision
from xdub_core.training.training_state import load_checkpoint, save_checkpoint, trained_parameters

LOG_NAME = "log.jsonl"

Row = dict[str, float]
"""One line of the log: the step, its losses, the learning rate, the gradient's norm, seconds."""


@dataclass(frozen=True)
class TrainerSettings:
    """How to train.

    `steps` optimiser steps in all, each over `batch_size` examples per process, `accumulate` times. The learning
    rate rises over `warmup` steps and then stays (`constant`) or falls along a cosine to `final_rate` of itself.
    `optimizer`: "muon" gives the matrices inside the model to Muon and the rest to AdamW. `average` is the decay of
    the moving average of the weights (0: none kept). `precision` is that of the forward, where the device has bfloat16
    (`precision.computes_bfloat16`); weights and optimiser keep their own. `clip_norm` bounds the gradient's norm (inf:
    no bound). `checkpoint_every` and `log_every` count steps.
    """

    steps: int
    batch_size: int = 8
    accumulate: int = 1
    learning_rate: float = 1e-5
    warmup: int = 100
    schedule: Literal["constant", "cosine"] = "constant"
    final_rate: float = 0.1
    optimizer: OptimizerKind = "adamw"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    average: float = 0.999
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    checkpoint_every: int = 200
    log_every: int = 10
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: use 1 or more")
        if not 0 <= self.average < 1:
            raise SettingsError(f"a moving average with a decay of {self.average}: use 0 to below 1")
        if not self.clip_norm > 0:
            raise SettingsError(f"clip_norm is {self.clip_norm}: use more than 0 (.inf: no clipping)")
        if not self.learning_rate > 0 or self.warmup < 0 or not 0 <= self.final_rate <= 1:
            raise SettingsError(
                f"learning_rate {self.learning_rate}, warmup {self.warmup}, final_rate {self.final_rate}: use a rate "
                "above 0, a warmup of 0 or more, and a final rate of 0 to 1 of it"
            )

    def rate(self, step: int) -> float:
        """The learning rate of step number `step`, which counts from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        fraction = self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * fraction


@dataclass(frozen=True)
class Process:
    """This process among those that train together (torchrun's RANK and WORLD_SIZE)."""

    rank: int = 0
    world: int = 1


ALONE = Process()


@contextmanager
def processes(device: torch.device | str = "cpu") -> Iterator[Process]:
    """Join the processes that torchrun started, if any, for as long as the context lasts."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if torch.device(device).type == "cuda" else "gloo")
    try:
        yield Process(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def train(
    objective: nn.Module,
    examples: Examples,
    settings: TrainerSettings,
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    process: Process = ALONE,
    on_step: Callable[[Row], None] | None = None,
) -> dict[str, Tensor]:
    """Train what of `objective` asks for gradients, on from the checkpoint in `folder` if there is one.

    `objective(batch, generator)` gives a dict of scalars with "loss". `folder` receives the checkpoint and
    `log.jsonl`. `on_step` is called with the newest row of the log after every step; it may raise to stop, and the
    state is saved first. Whatever else ends the run, no more than `settings.checkpoint_every` steps are lost.

    Returns the averaged weights of what was trained, by name in `objective` (the trained ones themselves where
    `settings.average` is 0); `objective` holds the plain ones. Raises SamplingError, before the weights are touched,
    when the loss or its gradient is not finite, and CheckpointError where processes found other checkpoints.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    objective.to(device).train()
    parameters = trained_parameters(objective)
    if not parameters:
        raise SettingsError("nothing to train: no parameter asks for gradients")
    average = {name: p.detach().float().clone() for name, p in parameters.items()} if settings.average else {}
    optimizers = make_optimizers(
        parameters, settings.optimizer, settings.learning_rate, settings.betas, settings.weight_decay
    )
    start = load_checkpoint(folder, parameters, average, optimizers)
    _check_together(start, folder, process, torch.device(device))
    log = _Log(folder / LOG_NAME, start) if process.rank == 0 else None
    run = _Run(objective, settings, torch.device(device), process, parameters, optimizers)
    batches = run.batches(examples, start)
    for step in range(start, settings.steps):
        row = run.step(step, batches)
        _update_average(average, parameters, settings.average, step)
        due = (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps
        try:
            if on_step is not None:
                on_step(row)
        except BaseException:
            due = True
            raise
        finally:
            if log is not None:
                log.add(row, settings.log_every)
                if due:
                    save_checkpoint(folder, step + 1, parameters, average, optimizers)
    if process.world > 1:
        dist.barrier()
    return average or {name: parameter.detach().clone() for name, parameter in parameters.items()}


def _check_together(start: int, folder: Path, process: Process, device: torch.device) -> None:
    """Raise CheckpointError where the processes would go on from different steps."""
    if process.world == 1:
        return
    steps = torch.tensor([start, -start], device=device)
    dist.all_reduce(steps, dist.ReduceOp.MAX)
    last, first = int(steps[0]), -int(steps[1])
    if first != last:
        raise CheckpointError(
            f"the processes found checkpoints of step {first} and of step {last} in {folder}: give a folder that all "
            "machines share"
        )


class _Run:
    """One run's forward, backward and update."""

    def __init__(
        self,
        objective: nn.Module,
        settings: TrainerSettings,
        device: torch.device,
        process: Process,
        parameters: Mapping[str, nn.Parameter],
        optimizers: Sequence[torch.optim.Optimizer],
    ) -> None:
        self.settings, self.device, self.process = settings, device, process
        self.parameters, self.optimizers = parameters, optimizers
        self.forward: nn.Module = objective
        if process.world > 1:
            self.forward = DistributedDataParallel(
                objective,
                find_unused_parameters=getattr(objective, "skips_parameters", False),
                gradient_as_bucket_view=True,
            )

    def batches(self, examples: Examples, start: int) -> Iterator[dict[str, Tensor]]:
        """The batches from step `start` on, `accumulate` for each step."""
        settings, process = self.settings, self.process
        numbers = range(start * settings.accumulate, settings.steps * settings.accumulate)
        indices = (
            batch_indices(
                len(examples), settings.batch_size, number * process.world + process.rank, settings.seed
            )
            for number in numbers
        )
        return load_batches(examples, indices, settings.workers)

    def step(self, step: int, batches: Iterator[dict[str, Tensor]]) -> Row:
        """One optimiser step; returns its row of the log."""
        began, settings = time.perf_counter(), self.settings
        seeds = np.random.SeedSequence([settings.seed, step, self.process.rank])
        generator = torch.Generator().manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))
        losses: Row = {}
        for part in range(settings.accumulate):
            batch = {name: tensor.to(self.device) for name, tensor in next(batches).items()}
            with self._synchronised(part + 1 == settings.accumulate):
                with mixed_precision(self.device, settings.precision == "bfloat16"):
                    found = self.forward(batch, generator)
                (found["loss"] / settings.accumulate).backward()
            for name, value in found.items():
                losses[name] = losses.get(name, 0.0) + value.item() / settings.accumulate
        rate = settings.rate(step)
        norm = clip_grad_norm_(self.parameters.values(), settings.clip_norm).item()
        if not (math.isfinite(losses["loss"]) and math.isfinite(norm)):  # the norm is that of all processes
            raise SamplingError(
                f"the loss of step {step + 1} is {losses['loss']} and its gradient's norm {norm}: go on from the last "
                "checkpoint with a lower learning rate, or in float32"
            )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return {
            "step": step + 1,
            **losses,
            "rate": rate,
            "norm": norm,
            "seconds": time.perf_counter() - began,
        }

    @contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        apart = isinstance(self.forward, DistributedDataParallel) and not last
        with self.forward.no_sync() if apart else nullcontext():  # type: ignore[operator]
            yield


class _Log:
    """The losses, one JSON object a line. Lines from beyond the step that a run goes on from are dropped."""

    def __init__(self, path: Path, start: int) -> None:
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= start]
        write_text_whole(path, "".join(f"{line}\n" for line in kept))
        self.path = path

    def add(self, row: Row, every: int) -> None:
        """Write a row, if its step is one to write."""
        if row["step"] % every == 0:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


@torch.no_grad()
def _update_average(
    average: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter], decay: float, step: int
) -> None:
    """Move the average towards the weights; the first steps weigh more, so that it forgets the start."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in average.items():
        value.lerp_(parameters[name].detach().float(), 1 - decay)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights, such as the averaged ones, into `module` in place."""
    with torch.no_grad():
        for name, value in weights.items():
            module.get_parameter(name).copy_(value)
