"""Progress bars and tables of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from xdub_core.progress import Progress, ProgressCallback

answer = Console()
"""What was asked for: standard output. Lines that name a file go with soft_wrap: no name may be broken in two."""
progress_console = Console(stderr=True)
"""Progress: standard error."""


def tell(line: str) -> None:
    """Say what is going on, in a line."""
    progress_console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bars() -> Iterator[ProgressCallback]:
    """One bar per stage, with its losses; each appears when it starts, and pulses where it has no total."""
    plain = not progress_console.encoding.startswith("utf")
    bars = Bars(
        SpinnerColumn("line" if plain else "dots", finished_text="*" if plain else "\u2713"),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
        console=progress_console,
    )
    tasks: dict[str, TaskID] = {}

    def show(progress: Progress) -> None:
        stage = progress.stage
        if stage not in tasks:
            tasks[stage] = bars.add_task(str(stage), total=progress.total, detail="")
        losses = " ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
        detail = progress.detail or losses
        bars.update(tasks[stage], completed=progress.done, total=progress.total, detail=detail)

    with bars:
        yield show
