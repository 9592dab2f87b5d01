"""The DiT's forward by two trees of this project in turn, for `dit_forward.py --against`.

Each tree has a process of its own, which makes one step whenever it is told to: what else the machine does falls on
both alike. The first step of each is not counted. Seconds of the clock, and of all threads' computing, which other
programs change less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from rich.table import Table
from torch import Tensor

HERE = Path(__file__).resolve().parent


class Timed(NamedTuple):
    """One step: seconds of the clock, and of computing."""

    seconds: float
    computed: float


class Compared(NamedTuple):
    """Medians of both trees, and the largest difference of their velocities as a part of the largest velocity."""

    before: Timed
    now: Timed
    error: float

    @property
    def times_as_fast(self) -> float:
        return self.before.seconds / self.now.seconds

    @property
    def times_less_computed(self) -> float:
        return self.before.computed / self.now.computed


class Tree:
    """A process that imports `xdub_core` from `folder` and steps when it is told to."""

    def __init__(self, folder: Path, case: dict[str, Any], result: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(folder)}
        program = [sys.executable, str(HERE / "dit_forward.py"), "--steps-of", json.dumps(case)]
        self.process = subprocess.Popen(
            [*program, "--result", str(result)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.result = result

    def step(self) -> Timed:
        """One step, now. Raises RuntimeError where the process could not make it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        told = self.process.stdout.readline()
        if not told:
            raise RuntimeError(f"the process of {self.result.stem} ended: its own words stand above")
        return Timed(*json.loads(told))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def serve(step: Callable[[], Tensor], result: Path) -> None:
    """What such a process does: a step for each line, and the last one's velocity into `result` at the end."""
    velocity = None
    for _ in sys.stdin:
        started, computing = time.perf_counter(), time.process_time()
        velocity = step()
        print(json.dumps([time.perf_counter() - started, time.process_time() - computing]), flush=True)
    torch.save(velocity, result)


def compare(before: Path, case: dict[str, Any], repeats: int) -> Compared:
    """`repeats` steps of each tree, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        trees = [
            Tree(tree, case, Path(folder) / f"{name}.pt")
            for name, tree in (("before", before.resolve()), ("now", HERE.parent))
        ]
        for tree in trees:
            tree.step()
        timed = [[tree.step() for tree in trees] for _ in range(repeats)]
        for tree in trees:
            tree.close()
        old, new = (torch.load(tree.result, weights_only=True).float() for tree in trees)
    medians = [Timed(*map(median, zip(*steps, strict=True))) for steps in zip(*timed, strict=True)]
    return Compared(*medians, float((new - old).abs().max() / old.abs().max()))


def comparison_table(before: Path, cases: dict[str, dict[str, Any]], repeats: int) -> Table:
    """A row for each of `cases`, by what is said of it."""
    result = Table(
        title=f"DiT forward, medians of {repeats} steps of each tree in turn", title_justify="left"
    )
    result.add_column("case")
    for column in ("s before", "s now", "times as fast", "CPU s before", "CPU s now", "times", "differs by"):
        result.add_column(column, justify="right")
    for name, case in cases.items():
        both = compare(before, case, repeats)
        seconds = (both.before.seconds, both.now.seconds, both.times_as_fast)
        computed = (both.before.computed, both.now.computed, both.times_less_computed)
        result.add_row(name, *(f"{value:.2f}" for value in (*seconds, *computed)), f"{both.error:.1e}")
    return result
