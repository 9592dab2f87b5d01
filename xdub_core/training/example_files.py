"""Training examples in memory, and on disk in safetensors shards.

An example maps names to tensors; `objective` lists the names. Whatever has a length and gives an example by its
number can be trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.weights.tensor_file import open_tensors, save_tensors

Example = Mapping[str, Tensor]


class Examples(Protocol):
    """A collection of examples that all have the same names and shapes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


class TensorExamples:
    """Examples in memory: one tensor [examples, ...] for each name."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        lengths = {name: len(tensor) for name, tensor in tensors.items()}
        if not lengths or len(set(lengths.values())) != 1:
            raise SettingsError(f"examples need one tensor or more of equal lengths, not {lengths}")
        self.tensors = dict(tensors)
        self._length = next(iter(lengths.values()))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Example:
        return {name: tensor[index] for name, tensor in self.tensors.items()}


class ExampleFolder:
    """Examples on disk, in numbered shards that are each written whole or not at all.

    Making them can stop and go on: `len` says how many examples are there already.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def __len__(self) -> int:
        return sum(int(path.stem.split("-")[-1]) for path in self.shards())

    def shards(self) -> list[Path]:
        """The shards in order. A file's name ends in the number of its examples."""
        return sorted(self.folder.glob("shard-*.safetensors"))

    def add(self, examples: Sequence[Example]) -> None:
        """Add a shard of examples (nothing, when there are none)."""
        if examples:
            self.add_stacked(collate(examples))

    def add_stacked(self, tensors: Mapping[str, Tensor], number: int | None = None) -> None:
        """Add a shard of examples that are stacked already (see `collate`).

        `number`: the shard's, so that one that is made again replaces itself, however many examples it has now; None:
        the one after the last. Without tensors, there is no shard of that number any more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if number is None:
            number = max((int(path.stem.split("-")[1]) for path in self.shards()), default=-1) + 1
        count = len(next(iter(tensors.values()), ()))
        path = self.folder / f"shard-{number:05d}-{count}.safetensors"
        if tensors:
            save_tensors(path, tensors)
        for shard in self.folder.glob(f"shard-{number:05d}-*.safetensors"):
            if shard != path:
                shard.unlink()

    def load(self) -> TensorExamples:
        """All the examples, in memory. Raises SettingsError when there are none."""
        shards = [open_tensors(path) for path in self.shards()]
        if not shards:
            raise SettingsError(f"{self.folder} holds no examples: make them first")
        return TensorExamples({name: torch.cat([s.read(name) for s in shards]) for name in shards[0].shapes})


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    """Stack examples along a new first dimension."""
    return {name: torch.stack([example[name] for example in examples]) for name in examples[0]}
