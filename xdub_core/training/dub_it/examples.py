"""A folder of training pairs as examples for the training loop."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from xdub_core.training.dub_it.records import Manifest, read_pair


class PairExamples:
    """The pairs of a folder, each read when it is asked for: the tensors of `Pair` by name, "raw_text" and "fps"."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._records = folder, manifest.records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        record = self._records[index]
        pair = read_pair(self._folder, record)
        tensors = {name: value for name, value in vars(pair).items() if isinstance(value, Tensor)}
        fps = torch.tensor(float(record.fps), dtype=torch.float64)
        return {**tensors, "raw_text": torch.tensor(pair.raw_text), "fps": fps}
