"""The detectors' weights: from OpenMMLab's `.pth` or from safetensors, into networks, with every tensor checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError
from xdub_core.files import write_whole
from xdub_core.weights.strict import NamedShapes, load_strictly
from xdub_core.weights.tensor_file import TensorFile, open_tensors
from xdub_core.weights.torch_file import read_checkpoint

Network = TypeVar("Network", bound=nn.Module)

IGNORED_PREFIXES = ("data_preprocessor.", "ema_")
"""Entries that some published OpenMMLab files carry and inference does not need."""


def open_detector(path: Path | str) -> TensorFile:
    """Open an OpenMMLab `.pth` or a `.safetensors` file. Raises MissingModelError or CheckpointError."""
    return open_tensors(path, unpickle=read_checkpoint)


def used_names(file: NamedShapes) -> dict[str, str]:
    """The names in a file that inference needs, as `load_strictly` takes them."""
    return {name: name for name in file.shapes if not name.startswith(IGNORED_PREFIXES)}


def load_state_dict(path: Path | str) -> dict[str, Tensor]:
    """The named tensors of an OpenMMLab `.pth` or of a `.safetensors` file.

    Raises MissingModelError or CheckpointError.
    """
    file = open_detector(path)
    return {name: file.read(name) for name in used_names(file)}


def convert_to_safetensors(pth: Path | str, out: Path | str) -> Path:
    """Write the tensors of an OpenMMLab `.pth` as safetensors of the same names; the metadata is left behind."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    out = Path(out)
    tensors = {name: value.contiguous().clone() for name, value in load_state_dict(pth).items()}
    try:
        write_whole(out, lambda file: save_file(tensors, file))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {out}: {error}") from error
    return out


def load_network(
    build: Callable[[], Network],
    path: Path | str,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Network:
    """A network with the file's weights, in evaluation mode; every tensor must be there, with its shape.

    `build` makes the network; it is called on the meta device, so that no weights are initialised in vain. Raises
    MissingModelError, or CheckpointError that says what is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = build()
    file = open_detector(path)
    what = f"the {type(network).__name__} that is needed"
    load_strictly(network, file, used_names(file), what=what, dtype=dtype, device=device)
    return network.eval().requires_grad_(False)
