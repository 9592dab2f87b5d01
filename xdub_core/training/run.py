"""One phase of training from its configuration to a model's or an expert's file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.experts.adapters import Adapters
from xdub_core.experts.expert import save_expert
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import save_dit
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import shuffled
from xdub_core.training.build import build_dit, build_objective, check_examples
from xdub_core.training.config import TrainingConfig
from xdub_core.training.example_files import Examples
from xdub_core.training.initial import initialise
from xdub_core.training.objective import PixelLosses
from xdub_core.training.parallel import ALONE, Process
from xdub_core.training.trainer import load_weights, train

MODEL_FILE = "model.safetensors"


def run_stage(
    config: TrainingConfig,
    examples: Examples,
    context: Tensor,
    folder: Path | str,
    *,
    dit: XDubDiT | None = None,
    pixels: PixelLosses | None = None,
    device: torch.device | str = "cpu",
    process: Process = ALONE,
    name: str | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train a phase in `folder`, on from where it stopped, and return the file that it made there.

    That is `model.safetensors` (the averaged weights), or `<kind>.safetensors` for an expert. `dit` is what the phase
    starts from (None: random weights); in the end it holds the averaged weights, or is as before where an expert was
    trained. `context`: the embedded prompt [1, tokens, text_dim]; `pixels` supervise an expert.
    `name`: of what is reported (None: the stage).

    Raises SettingsError when an expert has no model to start from or nothing that supervises it, when `dit` or the
    examples are of other sizes than the configuration's, and what `train` raises.
    """
    folder = Path(folder)
    _check(config, examples, dit, pixels)
    if dit is None:
        dit = build_dit(config, device)
        initialise(dit, torch.Generator(device).manual_seed(config.trainer.seed))
    objective = build_objective(config, dit, context, pixels)
    averaged = train(
        objective,
        shuffled(examples),
        config.trainer,
        folder,
        name=name or config.stage,
        device=device,
        process=process,
        on_progress=on_progress,
    )
    load_weights(objective, averaged)
    dit.checkpoint_blocks = False
    dit.requires_grad_(False)
    adapters = objective.adapters
    path = folder / (f"{adapters.info.kind}.safetensors" if isinstance(adapters, Adapters) else MODEL_FILE)
    save = partial(save_dit, dit)
    if isinstance(adapters, Adapters):
        adapters.detach()
        save = partial(save_expert, adapters.expert())
    if process.rank == 0:
        save(path)
    return path


def _check(
    config: TrainingConfig, examples: Examples, dit: XDubDiT | None, pixels: PixelLosses | None
) -> None:
    """Raise SettingsError where a phase would train something else than its configuration says."""
    check_examples(config, examples[0])
    if dit is not None and dit.config != config.model:
        odd = [name for name, value in vars(config.model).items() if getattr(dit.config, name) != value]
        raise SettingsError(
            f"the model to start from has {odd[0]} {getattr(dit.config, odd[0])}, the configuration "
            f"{getattr(config.model, odd[0])}: make them agree"
        )
    if config.expert is None:
        return
    if dit is None:
        raise SettingsError(f"the {config.stage} expert needs the trained editor to start from")
    supervised = pixels is not None and (pixels.sync if config.stage == "lip" else pixels.identity)
    if not supervised:
        needs = "a sync scorer" if config.stage == "lip" else "networks of identity"
        raise SettingsError(f"the {config.stage} expert needs {needs}: give them as `pixels`")
