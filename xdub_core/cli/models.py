"""`python -m xdub_core models` and `models download`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from xdub_core.cli.console import answer
from xdub_core.cli.options.model import ModelsDir
from xdub_core.model.config import RELEASED
from xdub_core.released.download import check_disk_space, download, plan_download
from xdub_core.released.manifest import (
    FILES,
    REPOSITORY,
    FileState,
    FileStatus,
    download_command,
    find_files,
    human_size,
    models_folder,
)
from xdub_core.released.placement import DeviceSizes

_STYLES = {
    FileState.THERE: "green",
    FileState.MISSING: "dim",
    FileState.EMPTY: "red",
    FileState.DAMAGED: "red",
}

models_app = typer.Typer(
    help="The released model's files: which are needed, which are there.", invoke_without_command=True
)


@models_app.callback()
def models(context: typer.Context, models_dir: ModelsDir = None) -> None:
    """List the released model's files: what each is for, its size, where it belongs, and whether it is there."""
    context.obj = models_dir
    if context.invoked_subcommand is None:
        list_models(models_folder(models_dir))


def list_models(folder: Path) -> None:
    """Print the table of files."""
    statuses = find_files(folder)
    table = Table(title=f"X-Dub's files in {escape(str(folder))}", title_justify="left")
    for column in ("file", "size", "what for", "state"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for status in statuses:
        found = status.path is not None
        table.add_row(
            escape(_shown_path(status, folder)),
            human_size(status.size_bytes if found else status.file.size_bytes),
            status.file.purpose,
            f"[{_STYLES[status.state]}]{escape(status.told)}[/]",
        )
    answer.print(table)
    counts = Counter(status.state for status in statuses if not status.usable)
    if counts:
        broken = ", ".join(f"{count} {state.value}" for state, count in counts.items())
        size = human_size(sum(status.file.size_bytes for status in statuses if not status.usable))
        command = escape(download_command(folder))
        answer.print(f"{broken} (about {size} to get): `{command}`", highlight=False, soft_wrap=True)
    else:
        answer.print("All there.")


def _shown_path(status: FileStatus, folder: Path) -> str:
    """Where a file was found, in place of where a download would put it."""
    return status.file.path if status.path is None else status.path.relative_to(folder).as_posix()


@models_app.command("memory")
def show_memory(
    cards: Annotated[
        list[float] | None, typer.Argument(help="GB of the GPU that may be used. \\[default: 24 12 8 6]")
    ] = None,
    crop_size: Annotated[int, typer.Option(help="Pixels of the face crop.")] = 512,
) -> None:
    """Show how the released model is laid out on GPUs of little memory: computed from sizes, measured on none."""
    table = Table(
        title=f"X-Dub in bfloat16 and with --float8, crops of {crop_size} pixels", title_justify="left"
    )
    for column in ("--memory", "weights", "branches", "blocks on the GPU", "takes at most", "in the RAM"):
        table.add_column(column, justify="right" if column == "--memory" else "left")
    for gigabytes in cards or (24.0, 12.0, 8.0, 6.0):
        for float8 in (False, True):
            table.add_row(
                f"{gigabytes:g} GB", *_layout(DeviceSizes(RELEASED, crop_size, float8=float8), gigabytes)
            )
    answer.print(table)


def _layout(sizes: DeviceSizes, gigabytes: float) -> tuple[str, ...]:
    """A row of the table: how it is laid out within so many GB."""
    weights = "float8" if sizes.float8 else "bfloat16"
    placement = sizes.placed(round(gigabytes * 1e9))
    if placement is None:
        least = min(map(sizes.needed, sizes.placements()))
        return weights, f"[red]needs {human_size(least)}[/]", "", "", ""
    layers = sizes.config.layers
    resident = layers if placement.resident is None else placement.resident
    return (
        weights,
        "as one batch" if placement.batched else "one by one",
        f"all {layers}" if placement.resident is None else f"{resident} of {layers}",
        human_size(sizes.needed(placement)),
        human_size((layers - resident) * sizes.block),
    )


@models_app.command("download")
def download_models(
    context: typer.Context,
    models_dir: ModelsDir = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    without_detector: Annotated[
        bool, typer.Option(help="Leave out the face detector's two files (you give boxes yourself).")
    ] = False,
) -> None:
    """Download what is missing from Hugging Face, after asking. An interrupted download goes on where it stopped."""
    folder = models_folder(models_dir or context.obj)
    wanted = [file for file in FILES if not (without_detector and file.key in ("person_detector", "pose"))]
    plan = plan_download(folder, wanted)
    if not plan.files:
        answer.print(f"Everything is in {escape(str(folder))} already.", soft_wrap=True)
        return
    place = escape(str(folder))
    told = f"From huggingface.co/{REPOSITORY} to {place}, about {human_size(plan.size_bytes)}:"
    answer.print(told, soft_wrap=True)
    for file in plan.files:
        answer.print(f"  {file.path}  [dim]{human_size(file.size_bytes)}, {file.purpose}[/]")
    check_disk_space(plan)
    if not yes and not typer.confirm("Download?"):
        answer.print("Nothing was downloaded.")
        return
    download(folder, wanted)
    list_models(folder)
