"""`python -m xdub_core info FILE`: what a model file is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from xdub_core.cli.console import answer
from xdub_core.errors import CheckpointError
from xdub_core.model.checkpoint import check_checkpoint, checkpoint_config
from xdub_core.model.dit import XDubDiT
from xdub_core.released_files import human_size
from xdub_core.weights.identify import FileDescription, describe_file
from xdub_core.weights.kinds import Kind


def show_info(path: Path) -> None:
    """Print what the file is, what is in it, and whether it is a whole X-Dub checkpoint."""
    found = describe_file(path)
    answer.print(f"[bold]{escape(found.path.name)}[/]: {found.kind.value}", highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _facts(found):
        table.add_row(name, escape(value))
    answer.print(table)
    if found.kind is Kind.XDUB:
        answer.print(_completeness(found), highlight=False)


def _facts(found: FileDescription) -> list[tuple[str, str]]:
    facts = [("size", human_size(found.bytes))]
    if found.shapes:
        dtypes = ", ".join(f"{count} {name}" for name, count in Counter(found.dtypes.values()).items())
        facts += [("tensors", f"{len(found.shapes)} ({dtypes})"), ("parameters", f"{found.parameters:,}")]
    if found.prefix:
        facts.append(("prefix", found.prefix))
    if found.pickled:
        facts.append(("format", "PyTorch pickle"))
    if found.kind is Kind.XDUB:
        config = checkpoint_config(found)
        facts.append(("width", f"{config.dim}, {config.layers} blocks"))
        facts.append(("latents", f"{config.latent_channels} channels"))
        facts.append(("audio", f"{config.audio_dim} features wide, {config.audio_layers} projection layers"))
    return facts


def _completeness(found: FileDescription) -> str:
    try:
        check_checkpoint(XDubDiT(checkpoint_config(found), device="meta"), found)
    except CheckpointError as problem:
        return f"[red]{escape(str(problem))}[/]"
    return "[green]complete[/]: every tensor is there, with the right size"
