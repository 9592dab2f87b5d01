"""`python -m xdub_core evaluate mini`: dubs of people and speech that the model never met, measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from xdub_core.cli.console import answer, progress_bars
from xdub_core.cli.options import grouped
from xdub_core.cli.options.judges import JudgeOptions

evaluate_app = typer.Typer(help="Measure what a model's dubs are worth.", no_args_is_help=True)


@evaluate_app.callback()
def evaluate() -> None:
    """Measure what a model's dubs are worth."""


@evaluate_app.command("mini")
def evaluate_mini(
    model: Annotated[Path | None, typer.Option(help="The mini's folder; without, the built-in one.")] = None,
    cases: Annotated[int, typer.Option(help="Held-out dubs.")] = 40,
    first: Annotated[int, typer.Option(help="Number of the first one.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Sampling steps, if not the model's own.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of the dub that is checked for drift.")] = 60.0,
    out: Annotated[Path, typer.Option(help="Folder for the report and the held-out clips.")] = Path(
        "out/evaluation"
    ),
) -> None:
    """Dub held-out heads; print sync, mouth and picture beside the undubbed video and the true dub. Needs espeak-ng."""
    from xdub_core.evaluation.behaviour import check_drift
    from xdub_core.evaluation.mini_report import MiniEvaluation
    from xdub_core.evaluation.report import write_report
    from xdub_core.mini.card import BUILT_IN

    check_drift(seconds)  # and not after all the dubs
    with progress_bars() as on_progress:
        evaluation = MiniEvaluation(model or BUILT_IN, out, cases, first, on_progress)
        if steps is not None:
            evaluation = replace(evaluation, steps=steps)
        report = evaluation.report()
        written = write_report(report, out)
        behaviour = evaluation.behaviour(seconds)
    answer.print(report.markdown(), soft_wrap=True, highlight=False)
    answer.print(behaviour.text(), highlight=False, soft_wrap=True)
    for path in written:
        answer.print(f"[green]{escape(str(path))}[/]", highlight=False, soft_wrap=True)


@evaluate_app.command("ablations")
def evaluate_ablations(
    folder: Annotated[
        Path, typer.Option(help="Work folder of `train mini`, whose pairs and generator are used.")
    ] = Path("out/mini"),
    steps: Annotated[int, typer.Option(help="Training steps of each variant.")] = 600,
    cases: Annotated[int, typer.Option(help="Held-out dubs.")] = 40,
    scale: Annotated[
        str, typer.Option(help="The recipe that the folder was made by: full or tiny.")
    ] = "full",
    workers: Annotated[int, typer.Option(help="Processes that train.")] = 1,
    threads: Annotated[int, typer.Option(help="Threads in all; 0: PyTorch's choice.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda...")] = "cpu",
) -> None:
    """Train short variants of the editor that differ in one thing each, and measure all in one table."""
    import torch

    from xdub_core.evaluation.mini_report import MiniEvaluation
    from xdub_core.evaluation.report import write_report
    from xdub_core.training.mini.ablations import Ablations
    from xdub_core.training.mini.make import MiniMaker
    from xdub_core.training.mini.recipe import recipe

    if threads:
        torch.set_num_threads(threads)
    with progress_bars() as on_progress:
        maker = MiniMaker(recipe(scale), folder, workers, device, on_progress)
        ablations = Ablations(maker, steps)
        variants = ablations.train()
    with progress_bars() as on_progress:
        evaluation = MiniEvaluation(maker.shipped, folder / "evaluation", cases, on_progress=on_progress)
        report = evaluation.ablations(ablations.generator, variants)
    answer.print(report.markdown(), soft_wrap=True, highlight=False)
    for path in write_report(report, folder / "evaluation", "ablations"):
        answer.print(f"[green]{escape(str(path))}[/]", highlight=False, soft_wrap=True)


@evaluate_app.command("dub-it")
@grouped
def evaluate_dub_it(
    judges: JudgeOptions,
    cases: Annotated[
        Path,
        typer.Argument(
            help="JSON: a list of {name, source, text, language, dubs: {method: file or null}}; files beside it."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the table.")] = Path("out/dub-it-evaluation"),
) -> None:
    """Measure dubs that speak (JUST-DUB-IT and others) beside the copied source, as the paper's tables do."""
    from xdub_core.evaluation.dub_it.table import evaluate_dubs, read_cases, write_table

    told, judging = read_cases(cases), judges.load()
    with progress_bars() as show:
        table = evaluate_dubs(told, judging, show)
    answer.print(table.markdown(), soft_wrap=True, highlight=False)
    for path in write_table(table, out):
        answer.print(f"[green]{escape(str(path))}[/]", highlight=False, soft_wrap=True)
