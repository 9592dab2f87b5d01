"""Weights into networks, strictly: every tensor there, none left over, all of the right size, none quantised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import torch
from torch import nn

from xdub_core.errors import CheckpointError
from xdub_core.weights.identify import FileDescription
from xdub_core.weights.kinds import FLOATS, looks_like, some
from xdub_core.weights.tensor_file import TensorFile

Network = TypeVar("Network", bound=nn.Module)


NamedShapes: TypeAlias = TensorFile | FileDescription
"""What a check needs of a file."""


def load_strictly(
    network: Network,
    file: TensorFile,
    names: Mapping[str, str] | None = None,
    *,
    what: str,
    advice: str = "",
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    copy: bool = False,
) -> Network:
    """Fill a network, built on the meta device or not, with a file's tensors, one at a time; returns the network.

    Args:
        network: its tensors are replaced, not written into.
        file: the tensors.
        names: the network's name of each tensor -> its name in the file; what it leaves out of the file is not
            looked at. None: the file's names are the network's.
        what: the network in words, for the message: "a complete Whisper encoder".
        advice: what to do about a wrong file.
        dtype: of the floating-point tensors; None: as stored.
        device: where to.
        copy: give the network its own memory even where the mapped file could serve as it.

    Raises:
        CheckpointError: as `check_tensors` does.
    """
    names = names if names is not None else {name: name for name in file.shapes}
    check_tensors(network, file, names, what=what, advice=advice)
    state = {}
    for name, stored in names.items():
        tensor = file.read(stored)
        cast = dtype if tensor.is_floating_point() else None
        state[name] = tensor.to(device=device, dtype=cast, copy=copy).contiguous()
    network.load_state_dict(state, strict=True, assign=True)
    return network


def check_tensors(
    network: nn.Module,
    file: NamedShapes,
    names: Mapping[str, str] | None = None,
    *,
    what: str,
    advice: str = "",
) -> None:
    """Raise CheckpointError unless the file has exactly the network's tensors; arguments as in `load_strictly`."""
    if problems := tensor_problems(network, file, names):
        raise wrong_file(file, what, problems, advice)


def tensor_problems(
    network: nn.Module, file: NamedShapes, names: Mapping[str, str] | None = None
) -> list[str]:
    """How the file's tensors differ from the network's: "2 missing (a, b)", "1 of another size (c is [3], not [4])"."""
    names = names if names is not None else {name: name for name in file.shapes}
    wanted = network.state_dict()
    both = [(names[name], tensor) for name, tensor in wanted.items() if name in names]
    differences = {
        "missing": sorted(wanted.keys() - names.keys()),
        "unexpected": sorted(names[name] for name in names.keys() - wanted.keys()),
        "of another size": [
            f"{stored} is {list(file.shapes[stored])}, not {list(tensor.shape)}"
            for stored, tensor in both
            if file.shapes[stored] != tuple(tensor.shape)
        ],
        "quantised": [
            f"{stored} is {file.dtypes[stored]}"
            for stored, tensor in both
            if tensor.is_floating_point() and file.dtypes[stored] not in FLOATS
        ],
    }
    return [f"{len(items)} {how} ({some(items)})" for how, items in differences.items() if items]


def wrong_file(
    file: NamedShapes, what: str, problems: Sequence[str] = (), advice: str = ""
) -> CheckpointError:
    """The one error for a file of the wrong tensors: "F is not WHAT: PROBLEMS; it looks like KIND; ADVICE"."""
    parts = (", ".join(problems), f"it looks like {looks_like(file.shapes, file.dtypes)}", advice)
    return CheckpointError(f"{file.path} is not {what}: {'; '.join(part for part in parts if part)}")
