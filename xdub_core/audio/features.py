"""Audio features as rows at 50 Hz, computed where they are read: an hour of them is never held in RAM."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from xdub_core.errors import SettingsError

ROWS_PER_SECOND = 50
_KEPT_CHUNKS = 3


class AudioFeatures(Protocol):
    """Rows of features, 50 a second."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def width(self) -> int:
        """Values per row."""
        ...

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows [start, stop) as float32 [n, width]; rows outside are the first or the last one."""
        ...


@dataclass(frozen=True)
class TensorFeatures:
    """Features that exist already: a tensor [rows, width]."""

    tensor: torch.Tensor

    def __post_init__(self) -> None:
        if self.tensor.ndim != 2 or not len(self.tensor):
            raise SettingsError(
                f"Audio features must be [rows, width] with at least one row, not {list(self.tensor.shape)}."
            )

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.tensor.shape[0]

    @property
    def width(self) -> int:
        """Values per row."""
        return self.tensor.shape[1]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows [start, stop), clamped."""
        return self.tensor[clamped_rows(start, stop, self.rows)].float()


class ChunkedFeatures:
    """Features computed chunk by chunk when they are read; only the last few chunks are kept.

    Args:
        rows, width: of the whole.
        chunk_rows: rows per chunk (the last one may be shorter).
        compute: gives rows [start, stop) of one chunk as float32 [stop - start, width].
    """

    def __init__(
        self, rows: int, width: int, chunk_rows: int, compute: Callable[[int, int], torch.Tensor]
    ) -> None:
        self.rows = rows
        self.width = width
        self.chunk_rows = chunk_rows
        self._compute = compute
        self._kept: OrderedDict[int, torch.Tensor] = OrderedDict()

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows [start, stop), clamped; computes the chunks that they lie in."""
        wanted = clamped_rows(start, stop, self.rows)
        chunks = wanted // self.chunk_rows
        parts = [self._chunk(int(c))[wanted[chunks == c] - c * self.chunk_rows] for c in chunks.unique()]
        return torch.cat(parts) if parts else torch.zeros(0, self.width)

    def _chunk(self, index: int) -> torch.Tensor:
        if index not in self._kept:
            start = index * self.chunk_rows
            self._kept[index] = self._compute(start, min(start + self.chunk_rows, self.rows))
            while len(self._kept) > _KEPT_CHUNKS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]


class JoinedFeatures:
    """Several features side by side; each clamps to its own first and last row (released model §3)."""

    def __init__(self, parts: Sequence[AudioFeatures]) -> None:
        if not parts:
            raise SettingsError("Joined audio features need at least one part.")
        self.parts = tuple(parts)

    @property
    def rows(self) -> int:
        """Rows of the longest part."""
        return max(part.rows for part in self.parts)

    @property
    def width(self) -> int:
        """Values per row, all parts together."""
        return sum(part.width for part in self.parts)

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows [start, stop) of every part, in order."""
        return torch.cat([part.read(start, stop) for part in self.parts], dim=1)


def clamped_rows(start: int, stop: int, rows: int) -> torch.Tensor:
    """Indices start..stop - 1, those outside 0..rows - 1 replaced by the nearest inside."""
    return torch.arange(start, stop).clamp(0, rows - 1)
