"""The training loop: on one CPU or GPU, or on several with torchrun; it stops and goes on at any step.

It trains the paper's stages and the mini's small networks alike. What differs between them is given to it: an objective
(a batch to its losses), where the batches come from, and settings. A step fixes its batch and its random numbers (see
`batches`). So a run that was killed and resumed ends in the very weights of one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from xdub_core.errors import CheckpointError, SamplingError, SettingsError
from xdub_core.files import write_text_whole
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, Batches
from xdub_core.training.optimizers import make_optimizers
from xdub_core.training.parallel import ALONE, Process
from xdub_core.training.precision import mixed_precision
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.training_state import TrainingState, trained_parameters

LOG_NAME = "log.jsonl"


def train(
    objective: nn.Module,
    batches: Batches,
    settings: TrainerSettings,
    folder: Path | str | None = None,
    *,
    name: str = "training",
    device: torch.device | str = "cpu",
    process: Process = ALONE,
    rates: Mapping[str, float] | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> dict[str, Tensor]:
    """Train what of `objective` asks for gradients, on from the checkpoint in `folder` if there is one.

    `objective(batch, generator)` gives a dict of scalars with "loss". `folder` receives the checkpoint and `log.jsonl`
    (None: neither is kept). `on_progress` is called with the losses after every step, as those of `name`; it may raise
    to stop, and the state is saved first. Whatever else ends the run, no more than `settings.checkpoint_every` steps
    are lost. `rates`: learning rates of parameters, by name, that are others than the settings'.

    Returns the averaged weights of what was trained, by name in `objective` (the trained ones themselves where
    `settings.average` is 0); `objective` holds the plain ones. Raises SamplingError, before the weights are touched,
    when the loss or its gradient is not finite, and CheckpointError where `folder` cannot be gone on from, or processes
    found other checkpoints.
    """
    device = torch.device(device)
    objective.to(device).train()
    parameters = trained_parameters(objective)
    if not parameters:
        raise SettingsError("nothing to train: no parameter asks for gradients")
    average = {name: p.detach().float().clone() for name, p in parameters.items()} if settings.average else {}
    optimizers = make_optimizers(parameters, settings, rates)
    state = TrainingState(parameters, average, optimizers)
    start = 0 if folder is None else state.load(_made(Path(folder)))
    _check_together(start, folder, process, device)
    kept = _Kept(Path(folder), state, settings, start) if folder is not None and process.rank == 0 else None
    forward, source = _together(objective, process), batches(settings, process, start)
    for step in range(start, settings.steps):
        began = time.perf_counter()
        losses = _backward(forward, source, settings, device)
        norm = clip_grad_norm_(parameters.values(), settings.clip_norm).item()
        if not (math.isfinite(losses["loss"]) and math.isfinite(norm)):  # the norm is that of all processes
            raise SamplingError(
                f"the loss of step {step + 1} is {losses['loss']} and its gradient's norm {norm}: go on from the last "
                "checkpoint with a lower learning rate, or in float32"
            )
        _update(optimizers, settings, step)
        _update_average(average, parameters, settings.average, step)
        seconds = time.perf_counter() - began
        done = False
        try:
            on_progress(Progress(name, step + 1, settings.steps, losses=losses))
            done = True
        finally:
            if kept is not None:
                kept.add(
                    {
                        "step": step + 1,
                        **losses,
                        "rate": settings.rate(step),
                        "norm": norm,
                        "seconds": seconds,
                    }
                )
                kept.save(step + 1, at_once=not done)
    if process.world > 1:
        dist.barrier()
    objective.eval()
    return average or {name: parameter.detach().clone() for name, parameter in parameters.items()}


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CheckpointError(
            f"{folder} is a file, where training keeps its state in a folder: delete it to start anew, or give another"
        ) from None
    return folder


def _check_together(start: int, folder: Path | str | None, process: Process, device: torch.device) -> None:
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


def _together(objective: nn.Module, process: Process) -> nn.Module:
    """The objective, its gradients shared among the processes where there are several."""
    if process.world == 1:
        return objective
    return DistributedDataParallel(
        objective,
        find_unused_parameters=getattr(objective, "skips_parameters", False),
        gradient_as_bucket_view=True,
    )


def _backward(
    forward: nn.Module,
    batches: Iterator[tuple[Batch, torch.Generator]],
    settings: TrainerSettings,
    device: torch.device,
) -> dict[str, float]:
    """The gradients of one step, summed up in the parameters; returns its losses."""
    losses: dict[str, float] = {}
    for part in range(settings.accumulate):
        batch, generator = next(batches)
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        apart = isinstance(forward, DistributedDataParallel) and part + 1 < settings.accumulate
        with forward.no_sync() if apart else nullcontext():  # type: ignore[operator]
            with mixed_precision(device, settings.precision == "bfloat16"):
                found = forward(batch, generator)
            (found["loss"] / settings.accumulate).backward()
        for name, value in found.items():
            losses[name] = losses.get(name, 0.0) + value.item() / settings.accumulate
    return losses


def _update(optimizers: Sequence[torch.optim.Optimizer], settings: TrainerSettings, step: int) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(step, group.get("peak", optimizer.defaults["lr"]))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def _update_average(
    average: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter], decay: float, step: int
) -> None:
    """Move the average towards the weights; the first steps weigh more, so that it forgets the start."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in average.items():
        value.lerp_(parameters[name].detach().float(), 1 - decay)


class _Kept:
    """What a run keeps in its folder: its state, and the losses, one JSON object a line.

    Lines from beyond the step that a run goes on from are dropped.
    """

    def __init__(self, folder: Path, state: TrainingState, settings: TrainerSettings, start: int) -> None:
        self._folder, self._state, self._settings, self._log = folder, state, settings, folder / LOG_NAME
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        before = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= start]
        write_text_whole(self._log, "".join(f"{line}\n" for line in before))

    def add(self, row: Mapping[str, float]) -> None:
        """Write a row of the log, if its step is one to write."""
        if row["step"] % self._settings.log_every == 0:
            with self._log.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def save(self, step: int, at_once: bool) -> None:
        """Write the state after `step` steps, if its time has come."""
        if at_once or step % self._settings.checkpoint_every == 0 or step == self._settings.steps:
            self._state.save(self._folder, step)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights, such as the averaged ones, into `module` in place."""
    with torch.no_grad():
        for name, value in weights.items():
            module.get_parameter(name).copy_(value)
