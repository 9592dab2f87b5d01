"""`python -m xdub_core.training`: the generator or the editor, on one machine or with torchrun.

The text is always the empty prompt, with which the released model is used; the paper's captions, left out of 70% of the
samples (A.2), are not built.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.markup import escape

from xdub_core.cli import interruptible
from xdub_core.cli.console import answer, progress_bars
from xdub_core.errors import SettingsError
from xdub_core.progress import ignore_progress
from xdub_core.released.empty_prompt import load_empty_prompt, padded_context
from xdub_core.training.config import load_config
from xdub_core.training.cpu_attention import training_attention
from xdub_core.training.example_files import ExampleFolder
from xdub_core.training.initial import load_start
from xdub_core.training.parallel import processes
from xdub_core.training.run import run_stage

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command()
@interruptible("the same command goes on from the last checkpoint")
def train(
    config: Annotated[Path, typer.Argument(help="YAML file; see xdub_core/training/configs.")],
    examples: Annotated[Path, typer.Option(help="Folder of encoded examples.")],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint, the log and the model.")],
    empty_prompt: Annotated[Path, typer.Option(help="The kept embedding of the prompt.")],
    init: Annotated[
        Path | None,
        typer.Option(
            help="What to start from: X-Dub, the phase before, or Wan2.2-TI2V-5B in one file.",
            show_default="random weights",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda...", show_default="cuda where there is one")] = "",
    debug: Annotated[  # noqa: ARG001 (read by main)
        bool, typer.Option("--debug", help="Log everything, and show where an error comes from.")
    ] = False,
) -> None:
    """Train the generator or the editor from a configuration and a folder of examples.

    On several GPUs: [bold]torchrun --nproc-per-node 8 -m xdub_core.training[/] CONFIG ...

    The same command again goes on where it stopped. Experts are trained from Python, with the networks that supervise
    them: run_stage(..., pixels=PixelLosses(...)).
    """
    place = _device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    chosen = load_config(config)
    if chosen.expert is not None:
        raise SettingsError(
            f"{config} trains an expert: call run_stage from Python, with the networks that supervise it"
        )
    loaded = ExampleFolder(examples).load()
    context = padded_context(load_empty_prompt(empty_prompt), chosen.text_tokens)
    dit = None
    if init is not None:
        dit = load_start(
            init,
            chosen.model,
            seed=chosen.trainer.seed,
            device=place,
            dtype=getattr(torch, chosen.weights),
            attention=training_attention(place),
        )
    with (
        processes(place) as process,
        progress_bars() if process.rank == 0 else nullcontext(ignore_progress) as show,
    ):
        made = run_stage(
            chosen, loaded, context, out, dit=dit, device=place, process=process, on_progress=show
        )
    if process.rank == 0:
        answer.print(f"[green]{escape(str(made))}[/] holds the model.", soft_wrap=True)


def _device(name: str) -> torch.device:
    """The device of that name; of several GPUs, the one that torchrun gives this process."""
    try:
        device = torch.device(name)
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", device.index or 0)))
        torch.empty(1, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError):
        raise SettingsError(f"--device {name}: PyTorch cannot use it here; try --device cpu") from None
    return device
