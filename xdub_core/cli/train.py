"""`python -m xdub_core train mini`: make the small model from nothing."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.markup import escape

from xdub_core.cli import interruptible
from xdub_core.cli.console import answer, progress_bars

train_app = typer.Typer(help="Train models by the paper's method.", no_args_is_help=True)


@train_app.callback()
def train() -> None:
    """Train models by the paper's method."""


@train_app.command("mini")
@interruptible("the same command goes on from what is in its folder")
def train_mini(
    folder: Annotated[Path, typer.Option(help="Work folder; training goes on from what is in it.")] = Path(
        "out/mini"
    ),
    scale: Annotated[str, typer.Option(help="'full' as shipped, or 'tiny' to see the chain run.")] = "full",
    workers: Annotated[
        int, typer.Option(help="Processes that draw the heads, make the pairs and train the two stages.")
    ] = 1,
    threads: Annotated[int, typer.Option(help="Threads of the training in all; 0: PyTorch's choice.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda...")] = "cpu",
    go_on_from: Annotated[
        str, typer.Option(help="A mini to train further: its folder, or 'built-in'. Else: from nothing.")
    ] = "",
    take: Annotated[
        list[int] | None,
        typer.Option(
            help="Which other recording of theirs people are dubbed with, 1 or more. \\[default: 1]"
        ),
    ] = None,
) -> None:
    """Make xdub-mini: talking heads, small networks, generator, pairs, editor, experts. Stop and start at will.

    Needs espeak-ng (Debian: apt-get install espeak-ng).
    """
    from xdub_core.mini.card import BUILT_IN
    from xdub_core.training.mini.make import MiniMaker
    from xdub_core.training.mini.recipe import pairs_of_takes, recipe

    # bfloat16 autocast leaves the norms' weights in float32, which is meant.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    if threads:
        torch.set_num_threads(threads)
    start = {"": None, "built-in": BUILT_IN}.get(go_on_from, Path(go_on_from))
    chosen = replace(recipe(scale), pair_takes=pairs_of_takes(take or [1]))
    chosen = chosen if start is None else chosen.fine_tuning()
    with progress_bars() as show:
        shipped = MiniMaker(chosen, folder, workers, device, show, start).make()
    answer.print(f"[green]{escape(str(shipped))}[/] holds the model.", soft_wrap=True)
