"""Batches and their random numbers, both fixed by the step: a run that goes on meets those it would have met.

A batch maps names to tensors; `objective` lists the names of the paper's stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from xdub_core.training.example_files import Examples, collate
from xdub_core.training.parallel import Process
from xdub_core.training.settings import TrainerSettings

Batch = Mapping[str, Tensor]

Batches = Callable[[TrainerSettings, Process, int], Iterator[tuple[Batch, torch.Generator]]]
"""The batches of a process from a step on, `accumulate` for each step, with the random numbers of that step."""


def shuffled(examples: Examples) -> Batches:
    """Every epoch all examples in an order of its own, read ahead by `TrainerSettings.workers` processes."""

    def batches(
        settings: TrainerSettings, process: Process, start: int
    ) -> Iterator[tuple[Batch, torch.Generator]]:
        numbers = range(start * settings.accumulate, settings.steps * settings.accumulate)
        indices = (
            batch_indices(
                len(examples), settings.batch_size, number * process.world + process.rank, settings.seed
            )
            for number in numbers
        )
        loaded = _load(examples, indices, settings.workers)
        for step in range(start, settings.steps):
            seeds = np.random.SeedSequence([settings.seed, step, process.rank])
            generator = torch.Generator().manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))
            for _ in range(settings.accumulate):
                yield next(loaded), generator

    return batches


def drawn(draw: Callable[[torch.Generator], Batch]) -> Batches:
    """Batches that `draw` makes from the step's random numbers."""

    def batches(
        settings: TrainerSettings, process: Process, start: int
    ) -> Iterator[tuple[Batch, torch.Generator]]:
        for step in range(start, settings.steps):
            seed = settings.seed * 1_000_003 + step + (process.rank << 40)
            generator = torch.Generator().manual_seed(seed)
            for _ in range(settings.accumulate):
                yield draw(generator), generator

    return batches


def pick(count: int, batch_size: int, generator: torch.Generator) -> list[int]:
    """`batch_size` indices out of `count` examples, at random."""
    return torch.randint(count, (batch_size,), generator=generator).tolist()


def batch_indices(length: int, batch_size: int, batch: int, seed: int) -> list[int]:
    """The examples of batch number `batch`: every epoch is a permutation of its own, drawn by (seed, epoch)."""
    positions = range(batch * batch_size, (batch + 1) * batch_size)
    return [int(_permutation(length, position // length, seed)[position % length]) for position in positions]


@lru_cache(maxsize=4)
def _permutation(length: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(length)


def _load(examples: Examples, indices: Iterable[list[int]], workers: int) -> Iterator[Batch]:
    return iter(
        DataLoader(
            examples,  # type: ignore[arg-type]  # a length and items are all that it needs
            batch_sampler=indices,
            num_workers=workers,
            collate_fn=collate,
            generator=torch.Generator(),
        )
    )
