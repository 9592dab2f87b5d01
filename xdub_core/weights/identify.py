"""Tell what a model file is, from its first bytes and its tensor names: nothing is loaded, nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from xdub_core.errors import CheckpointError
from xdub_core.weights.kinds import (
    DIFFUSION_PREFIXES,
    Kind,
    Shapes,
    begins_torch_file,
    kind_by_first_bytes,
    kind_by_names,
)
from xdub_core.weights.tensor_file import first_bytes, open_tensors, weights_in


@dataclass(frozen=True)
class FileDescription:
    """What is known of a model file without loading it; `dtypes` as in `TensorFile`."""

    path: Path
    kind: Kind
    bytes: int
    shapes: Shapes = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    pickled: bool = False

    @property
    def parameters(self) -> int:
        """How many numbers all the tensors have."""
        return sum(torch.Size(shape).numel() for shape in self.shapes.values())


def describe_file(path: Path | str) -> FileDescription:
    """Describe the model file at `path`, or the weights in a Hugging Face folder.

    `shapes` and `dtypes` have their `prefix` (one of DIFFUSION_PREFIXES, or none) taken off their names. A torch file
    without tensors, or damaged, is only called a pickle.

    Raises CheckpointError when there is no file, or a damaged one that is no torch file.
    """
    path = Path(path)
    weights = weights_in(path) if path.is_dir() else path
    if weights is None or not weights.is_file():
        reason = "a folder without weights, not a file" if path.is_dir() else "not there"
        raise CheckpointError(f"{path} is {reason}: give the path of a model file")
    size, start = weights.stat().st_size, first_bytes(weights)
    if kind := kind_by_first_bytes(start):
        return FileDescription(path, kind, size)
    pickled = begins_torch_file(start)
    try:
        file = open_tensors(weights)
    except CheckpointError:
        if (path.suffix == ".safetensors" and not pickled) or weights is not path:
            raise
        return FileDescription(path, Kind.PICKLE if pickled else Kind.UNKNOWN, size, pickled=pickled)
    kind = kind_by_names(file.shapes, file.dtypes)
    if pickled and kind is Kind.UNKNOWN:
        kind = Kind.PICKLE
    prefix = next((p for p in DIFFUSION_PREFIXES if any(name.startswith(p) for name in file.shapes)), "")
    shapes = {name.removeprefix(prefix): shape for name, shape in file.shapes.items()}
    dtypes = {name.removeprefix(prefix): dtype for name, dtype in file.dtypes.items()}
    return FileDescription(path, kind, size, shapes, dtypes, file.metadata, prefix, pickled)
