"""The detectors' weights: from OpenMMLab's `.pth` or from safetensors, into networks, with every tensor checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from xdub_core.weights.strict import NamedShapes, load_strictly
from xdub_core.weights.tensor_file import open_tensors

Network = TypeVar("Network", bound=nn.Module)

IGNORED_PREFIXES = ("data_preprocessor.", "ema_")
"""Entries that some published OpenMMLab files carry and inference does not need."""


def used_names(file: NamedShapes) -> dict[str, str]:
    """The names in a file that inference needs, as `load_strictly` takes them."""
    return {name: name for name in file.shapes if not name.startswith(IGNORED_PREFIXES)}


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
    file = open_tensors(path)
    what = f"the {type(network).__name__} that is needed"
    load_strictly(network, file, used_names(file), what=what, dtype=dtype, device=device)
    return network.eval().requires_grad_(False)
