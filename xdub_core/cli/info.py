"""`python -m xdub_core info FILE`: what a model file is; of a video, what it says about its origin."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from rich.markup import escape
from rich.table import Table
from torch import nn

from xdub_core.cli.console import answer
from xdub_core.errors import CheckpointError
from xdub_core.face.detector_files import used_names
from xdub_core.face.rtmw import RTMW
from xdub_core.face.yolox import YOLOX
from xdub_core.media.output.content_credentials import read_credentials
from xdub_core.media.output.encode_settings import CONTAINERS
from xdub_core.media.output.origin import EDITED_WITH_AI, MADE_BY_AI, stated_source_type
from xdub_core.mini.card import is_mini
from xdub_core.mini.loading import load_mini
from xdub_core.model.dit import XDubDiT
from xdub_core.model.dit_file import checkpoint_config
from xdub_core.model.few_steps import stated_few_steps
from xdub_core.released.manifest import human_size
from xdub_core.weights.identify import FileDescription, describe_file
from xdub_core.weights.kinds import Kind
from xdub_core.weights.strict import check_tensors
from xdub_core.weights.tensor_file import open_tensors


def show_info(path: Path) -> None:
    """Print what the file (or the Hugging Face folder) is, what is in it, and whether it is whole.

    Torch files are read to their end, without running what their pickle asks for. Raises CheckpointError for a damaged
    file, and MediaError for a video that cannot be opened.
    """
    if path.suffix.lower() in CONTAINERS:
        answer.print(f"[bold]{escape(path.name)}[/]: {_origin(path)}", highlight=False, soft_wrap=True)
        return
    if is_mini(path):
        answer.print(f"[bold]{escape(path.name)}[/]: {_mini(path)}", highlight=False, soft_wrap=True)
        return
    found = describe_file(path)
    if found.pickled and not found.shapes:
        open_tensors(path)  # raises what is wrong with it
    answer.print(f"[bold]{escape(found.path.name)}[/]: {found.kind.value}", highlight=False, soft_wrap=True)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _facts(found):
        table.add_row(name, escape(value))
    answer.print(table)
    if network := _network(found):
        answer.print(_completeness(network, found), highlight=False)


def _mini(folder: Path) -> str:
    """What a mini's folder holds. Raises MissingModelError or CheckpointError where it is not whole."""
    mini = load_mini(folder)
    return (
        f"a whole xdub-mini, for crops of {mini.card.crop} pixels and clips of {mini.card.clip_frames} frames"
    )


def _origin(video: Path) -> str:
    """What a video says of where it comes from, in words and in IPTC's."""
    stated = stated_source_type(video)
    words = {
        EDITED_WITH_AI: "edited with AI",
        MADE_BY_AI: "made by AI",
        None: "a video with no mark of its origin",
    }
    told = words.get(stated, "a video of another origin") + (f" ({stated})" if stated else "")
    credentials = read_credentials(video)
    if credentials is None:
        return told
    state = "unchanged since" if credentials.intact else "[red]changed since[/], or the signature is invalid"
    return f"{told}; signed by {escape(credentials.signer)}, {state}"


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
        if few := stated_few_steps(found.path):
            facts.append(("sampling", few.text))
    return facts


def _network(found: FileDescription) -> nn.Module | None:
    """The network, on the meta device, whose tensors a file of this kind must have; None for kinds that have many."""
    if found.kind is Kind.XDUB:
        return XDubDiT(checkpoint_config(found), device="meta")
    build = {Kind.YOLOX: YOLOX, Kind.RTMW: RTMW}.get(found.kind)
    with torch.device("meta"):
        return None if build is None else build()


def _completeness(network: nn.Module, found: FileDescription) -> str:
    names = used_names(found) if found.kind in (Kind.YOLOX, Kind.RTMW) else None
    try:
        check_tensors(
            network, found, names, what=f"the whole of {found.kind.value}", advice="get the file again"
        )
    except CheckpointError as problem:
        return f"[red]{escape(str(problem))}[/]"
    return "[green]complete[/]: every tensor is there, with the right size"
