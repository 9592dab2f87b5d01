"""The rows of a batch on a Ray cluster: each is a dub with a job of its own, with which another worker can go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from xdub_core.cli import one_line
from xdub_core.cli.cluster.connection import Cluster


@dataclass(frozen=True)
class RowDone:
    """A row that was dubbed, or failed: its number in the batch from 0, what went wrong, and what was warned of."""

    number: int
    seconds: float
    error: str
    warnings: tuple[str, ...]


def rows_on_cluster(
    cluster: Cluster, jobs: Sequence[Any], run_dub: Callable[[Any], None], on_begun: Callable[[int], None]
) -> Iterator[RowDone]:
    """Dub rows (each a `DubJob`), those of one device after those of another, and give each as it is done.

    `on_begun` gets a row's number when it is handed to the cluster. Raises what `Cluster.run` raises.
    """
    devices = sorted(range(len(jobs)), key=lambda number: jobs[number].model.torch_device)
    for device, of_device in groupby(devices, key=lambda number: jobs[number].model.torch_device):
        numbers = list(of_device)

        def tasks(numbers: list[int] = numbers) -> Iterator[Callable[[], tuple[float, str]]]:
            for number in numbers:
                on_begun(number)
                yield partial(_dub_row, jobs[number], Path.cwd(), run_dub)

        for done in cluster.run(cluster.room(device), tasks()):
            seconds, error = done.result
            yield RowDone(numbers[done.number], seconds, error, done.warnings)


def _dub_row(job: Any, here: Path, run_dub: Callable[[Any], None]) -> tuple[float, str]:
    """In a worker: how long the row took, and what a user could mend of its failure; empty where there was none."""
    os.chdir(here)
    begun = time.monotonic()
    try:
        run_dub(job)
    except Exception as error:
        if not (line := one_line(error)):
            raise
        return time.monotonic() - begun, line
    return time.monotonic() - begun, ""
