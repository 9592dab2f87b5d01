"""Several processes that train one model together: torchrun's, or some of this machine started from Python.

The latter are for the small models, whose layers are too little work for several threads: of xdub-mini's editor, two
processes with a thread each take 16 examples in 1.7 s, where one process with two threads takes 8 in 1.15 s (two cores
with AVX2).
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist

from xdub_core.errors import SettingsError

_UP = "up-"  # files of this name say which processes have started
_GRACE_SECONDS = 60  # for the others to end after this process's work is done


@dataclass(frozen=True)
class Process:
    """This process among those that train together (torchrun's RANK and WORLD_SIZE)."""

    rank: int = 0
    world: int = 1


ALONE = Process()


@contextmanager
def processes(device: torch.device | str = "cpu") -> Iterator[Process]:
    """Join the processes that torchrun started, if any, for as long as the context lasts."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if torch.device(device).type == "cuda" else "gloo")
    try:
        yield Process(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


Work = Callable[[Process], object]
"""What each process does, in step with the others; it is pickled for those that are started."""


def run_together(count: int, own: Callable[[Process], Path], others: Work) -> Path:
    """Do `own` here, as rank 0 of `count` processes, and `others` in the rest; returns what `own` gives.

    PyTorch's threads are shared out among them. Whatever ends `own` ends the others; when another fails, so does `own`,
    with the RuntimeError of the connection that broke, or of its start. Raises SettingsError for less than one process.
    """
    if count < 1:
        raise SettingsError(f"training in {count} processes: use 1 or more")
    if count == 1:
        return own(ALONE)
    threads = torch.get_num_threads()
    share = max(1, threads // count)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = [
            spawn.Process(target=_join, args=(others, Process(rank, count), folder, share), daemon=True)
            for rank in range(1, count)
        ]
        for process in started:
            process.start()
        torch.set_num_threads(share)
        try:
            _await(started, folder)
            dist.init_process_group("gloo", init_method=_meeting(folder), rank=0, world_size=count)
            done = own(Process(0, count))
            for process in started:
                process.join(_GRACE_SECONDS)
            return done
        finally:
            torch.set_num_threads(threads)
            for process in started:
                process.terminate()
                process.join()
            if dist.is_initialized():
                dist.destroy_process_group()


def _await(started: Sequence[multiprocessing.process.BaseProcess], folder: Path) -> None:
    """Wait until all have come up; a meeting with one that never does would last half an hour."""
    while len(list(folder.glob(f"{_UP}*"))) < len(started):
        for process in started:
            if process.exitcode is not None:
                raise RuntimeError(
                    f"a process that was to help ended as it started (exit code {process.exitcode}): use fewer"
                )
        time.sleep(0.05)


def _meeting(folder: Path) -> str:
    return (folder / "meeting").as_uri()


def _join(work: Work, process: Process, folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    (folder / f"{_UP}{process.rank}").touch()
    dist.init_process_group("gloo", init_method=_meeting(folder), rank=process.rank, world_size=process.world)
    work(process)
    dist.destroy_process_group()
