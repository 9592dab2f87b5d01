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
from xdub_core.cli.dub_it_data import make_dub_it_data, write_dub_it_prompts

train_app = typer.Typer(help="Train models by the paper's method.", no_args_is_help=True)
train_app.command("dub-it-data")(make_dub_it_data)
train_app.command("dub-it-prompts")(write_dub_it_prompts)


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


@train_app.command("few-steps")
@interruptible("the same command goes on from what is in its folder")
def train_few_steps(
    folder: Annotated[Path, typer.Option(help="Work folder; training goes on from what is in it.")] = Path(
        "out/few-steps"
    ),
    teacher: Annotated[str, typer.Option(help="The mini to distil: its folder, or 'built-in'.")] = "built-in",
    steps: Annotated[int, typer.Option(help="Sampling steps of the student.")] = 2,
    substeps: Annotated[int, typer.Option(help="The teacher's for each of them.")] = 2,
    shift: Annotated[float, typer.Option(help="The schedule's shift, of both.")] = 5.0,
    guidance: Annotated[
        str,
        typer.Option(
            help="The teacher's: 'released' (three branches), the mini's 'own', or 'none' (of a teacher that was "
            "distilled itself)."
        ),
    ] = "released",
    clips: Annotated[int, typer.Option(help="Clips to draw, ten training windows each.")] = 160,
    training_steps: Annotated[int, typer.Option(help="Training steps.")] = 300,
    batch: Annotated[int, typer.Option(help="Windows in a training step.")] = 4,
    threads: Annotated[int, typer.Option(help="Threads of the training; 0: PyTorch's choice.")] = 0,
) -> None:
    """Distil the mini to few steps without guidance: a fraction of the predictions. Stop and start at will.

    Twice in a row makes a student of one step: first with --steps 2, then with --steps 1 --guidance none --teacher
    FOLDER/shipped-2. Needs espeak-ng to draw the heads.
    """
    from xdub_core.mini.card import BUILT_IN
    from xdub_core.training.distillation import DistillationSettings
    from xdub_core.training.mini.few_steps import MiniFewSteps

    if threads:
        torch.set_num_threads(threads)
    settings = DistillationSettings(
        steps=steps, substeps=substeps, shift=shift, face_weight=2.0, lip_weight=6.0
    )
    start = BUILT_IN if teacher == "built-in" else Path(teacher)
    with progress_bars() as show:
        shipped = MiniFewSteps(
            folder,
            start,
            settings,
            guidance,
            clips=clips,
            training_steps=training_steps,
            batch=batch,
            on_progress=show,
        ).make()
    answer.print(f"[green]{escape(str(shipped))}[/] holds the model.", soft_wrap=True)
