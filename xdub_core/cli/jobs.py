"""`python -m xdub_core jobs`: dubs that are not finished, or kept, and what they take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from xdub_core.cli.console import answer
from xdub_core.errors import JobError, SettingsError
from xdub_core.job.folder import is_job, remove_job
from xdub_core.job.listing import JobState, find_jobs, job_state
from xdub_core.released.manifest import human_size

jobs_app = typer.Typer(
    help="Dubs that were interrupted, or kept: what their jobs' folders keep, and how to be rid of them.",
    invoke_without_command=True,
)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


@jobs_app.callback()
def jobs(context: typer.Context) -> None:
    """List the jobs in this folder and below it; `jobs list FOLDER` those elsewhere."""
    if context.invoked_subcommand is None:
        list_jobs(Path())


@jobs_app.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(help="Where to look, in all folders below it too.")] = Path(),
) -> None:
    """List jobs: their outputs, how many clips are kept of those that are needed, their sizes and ages."""
    list_jobs(folder)


@jobs_app.command("remove")
def remove_command(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Jobs' folders; with --older-than also folders that have jobs in or below them."),
    ],
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="AGE", help="Only jobs in which nothing was kept for so long: 12h, 7d or 2w, for example."
        ),
    ] = None,
) -> None:
    """Remove jobs. Their dubs begin anew if they are made again; outputs, and what is no job's, are left alone."""
    hours = None if older_than is None else _hours(older_than)
    for folder in folders:
        if not folder.exists():
            raise JobError(f"{folder}: there is no such folder")
    if hours is None:
        for folder in folders:
            if not is_job(folder):
                raise JobError(
                    f"{folder} is no job's folder: nothing was removed; `jobs list` tells where jobs are"
                )
    found = [job_state(job) for folder in folders for job in find_jobs(folder)]
    chosen = [job for job in found if hours is None or (job.seconds > 3600 * hours and not job.running)]
    for job in chosen:
        remove_job(job.path)
        answer.print(
            f"removed {job.path} ({human_size(job.bytes)})", markup=False, highlight=False, soft_wrap=True
        )
    if hours is not None:
        answer.print(f"{len(chosen)} of {len(found)} jobs removed", highlight=False)


def list_jobs(folder: Path) -> None:
    """Print the table of the jobs in a folder and below it."""
    if not folder.is_dir():
        raise JobError(f"{folder}: there is no such folder")
    found = [job_state(path) for path in find_jobs(folder)]
    if not found:
        answer.print(f"no jobs in {folder.absolute()}", markup=False, highlight=False, soft_wrap=True)
        return
    table = Table()
    for column in ("job", "output", "clips kept", "size", "age", "state"):
        table.add_column(
            column, justify="right" if column in ("clips kept", "size", "age") else "left", overflow="fold"
        )
    for job in found:
        runs = job.manifest.runs
        needed = sum(run.clips or 0 for run in runs.values())
        table.add_row(
            escape(str(job.path)),
            escape("\n".join(runs)) or "?",
            _kept(job.clips, needed),
            human_size(job.bytes),
            _age(job.seconds),
            _state(job),
        )
    answer.print(table)
    answer.print(f"{human_size(sum(job.bytes for job in found))} in all", highlight=False)


def _kept(clips: int, needed: int) -> str:
    """How many clips are kept of those that are needed; those of other options and earlier attempts come on top."""
    others = f" (+{clips - needed})" if needed and clips > needed else ""
    return f"{min(clips, needed) if needed else clips} of {needed or '?'}{others}"


def _state(job: JobState) -> str:
    if job.running:
        return "[green]under way[/]"
    runs = job.manifest.runs.values()
    return "kept" if runs and all(run.kept for run in runs) else "[yellow]interrupted[/]"


def _age(seconds: float) -> str:
    """A time in the one unit that suits it."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _hours(text: str) -> float:
    """An age as 12h, 7d, 2w; a number alone is days. Raises SettingsError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw]?)", text.strip().lower())
    if match is None:
        raise SettingsError(f"--older-than {text}: give an age, as 12h (hours), 7d (days) or 2w (weeks)")
    return float(match[1]) * _HOURS[match[2] or "d"]
