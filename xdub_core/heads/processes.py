"""Independent pieces of work, shared out among processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import cv2
import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def map_in_processes(
    count: int, work: Callable[[Piece], Result], pieces: Sequence[Piece]
) -> Iterator[Result]:
    """What `work` makes of each piece, in order; `work`, the pieces and the results are pickled.

    The processes share out PyTorch's threads. One process is this one. Whatever ends the reader ends the work, after
    the pieces that are being worked on.
    """
    if count <= 1:
        yield from map(work, pieces)
        return
    threads = max(1, torch.get_num_threads() // count)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, spawn, initializer=_set_threads, initargs=(threads,)) as pool:
        yield from pool.map(work, pieces)


def _set_threads(count: int) -> None:
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
