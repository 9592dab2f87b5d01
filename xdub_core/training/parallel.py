"""Several processes of this machine that train one model together, started from Python.

For the small models, whose layers are too little work for several threads: of xdub-mini's editor, two processes with a
thread each take 16 examples in 1.7 s, where one process with two threads takes 8 in 1.15 s (two cores with AVX2). For
many GPUs there is torchrun (`trainer.processes`).
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from xdub_core.errors import SettingsError
from xdub_core.training.trainer import ALONE, Process

_GRACE_SECONDS = 60  # for the others to end after this process's work is done

Work = Callable[[Process], object]
"""What each process does, in step with the others; it is pickled for those that are started."""


def run_together(count: int, own: Callable[[Process], Path], others: Work) -> Path:
    """Do `own` here, as rank 0 of `count` processes, and `others` in the rest; returns what `own` gives.

    PyTorch's threads are shared out among them. Whatever ends `own` ends the others; when another fails, so does `own`,
    with the RuntimeError of the connection that broke. Raises SettingsError for less than one process.
    """
    if count < 1:
        raise SettingsError(f"training in {count} processes: use 1 or more")
    if count == 1:
        return own(ALONE)
    threads = torch.get_num_threads()
    share = max(1, threads // count)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        started = [
            spawn.Process(target=_join, args=(others, Process(rank, count), meeting, share), daemon=True)
            for rank in range(1, count)
        ]
        for process in started:
            process.start()
        torch.set_num_threads(share)
        dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=count)
        try:
            done = own(Process(0, count))
            for process in started:
                process.join(_GRACE_SECONDS)
            return done
        finally:
            torch.set_num_threads(threads)
            for process in started:
                process.terminate()
                process.join()
            dist.destroy_process_group()


def _join(work: Work, process: Process, meeting: str, threads: int) -> None:
    torch.set_num_threads(threads)
    dist.init_process_group("gloo", init_method=meeting, rank=process.rank, world_size=process.world)
    work(process)
    dist.destroy_process_group()
