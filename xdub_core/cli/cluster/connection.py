"""A connection to a Ray cluster, and tasks on it, as many at a time as it has room for."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from xdub_core.errors import MissingModelError, SettingsError, XDubError

Result = TypeVar("Result")
LOCAL = "local"
_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+|\[[\da-fA-F:]+\]:\d+")
_RETRIES = 3
"""How often a task is begun again whose worker dies."""

_log = logging.getLogger(__name__)


def is_address(text: str) -> bool:
    """Whether a text names a Ray cluster: host:port, ray://host:port, auto, local."""
    return _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True)
class Room:
    """What one task needs, and how many of them run at once.

    `threads`: PyTorch's, as many as here, since their number may change the last bits of a result.
    """

    cpus: int
    gpus: int
    threads: int
    tasks: int


@dataclass(frozen=True)
class Done:
    """What a task gave, and the warnings that it logged. `number`: of the task, from 0."""

    number: int
    result: Any
    warnings: tuple[str, ...]


class Cluster:
    """A cluster that this process is connected to; made by `connected`."""

    def __init__(self, ray: Any, address: str) -> None:
        self._ray, self._address = ray, address

    def room(self, device: str) -> Room:
        """What a task on a device needs, and how many fit. Raises SettingsError where none does."""
        largest = max(
            (node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]), default=0
        )
        has, threads = self._ray.cluster_resources(), torch.get_num_threads()
        if torch.device(device).type == "cpu":
            cpus = max(1, min(threads, int(largest)))
            return Room(cpus, 0, threads, max(1, int(has.get("CPU", 0) // cpus)))
        if has.get("GPU", 0) < 1:
            raise SettingsError(
                f"--ray {self._address}: this cluster has no GPU, which --device {device} asks for; add --device cpu, "
                "or start Ray with --num-gpus"
            )
        return Room(1, 1, threads, int(has["GPU"]))

    def run(
        self,
        room: Room,
        tasks: Iterable[Callable[[], Any]],
        waiting: Callable[[], None] = lambda: None,
    ) -> Iterator[Done]:
        """Run tasks, `room.tasks` of them at a time, and give each as it is done.

        A task whose worker dies is begun again. What it raises is raised here as it is, and nothing more is begun.
        `waiting` is called every half a second.

        Raises XDubError where a task's workers die again and again.
        """
        remote = self._ray.remote(num_cpus=room.cpus, num_gpus=room.gpus, max_retries=_RETRIES)(_run)
        running: dict[Any, int] = {}
        upcoming = enumerate(tasks)
        while True:
            while len(running) < room.tasks and (task := next(upcoming, None)) is not None:
                running[remote.remote(task[1], room.threads)] = task[0]
            if not running:
                return
            ready, _ = self._ray.wait(list(running), timeout=0.5)
            waiting()
            for reference in ready:
                number = running.pop(reference)
                result, warnings = self._result(reference)
                yield Done(number, result, warnings)

    def _result(self, reference: Any) -> tuple[Any, tuple[str, ...]]:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise XDubError(
                f"--ray {self._address}: a task's worker died {_RETRIES + 1} times ({reason}); what is done is kept: "
                "see Ray's logs, then go on with the same command"
            ) from error


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A cluster by its address; `LOCAL` starts one on this machine, which ends with the context.

    Raises MissingModelError where Ray is not installed, and SettingsError where there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingModelError('--ray needs Ray, which is not installed: pip install "ray>=2.60"') from error
    _check_somebody_listens(address)
    local: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            **local,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _no_cluster(address, reason) from error
    try:
        yield Cluster(ray, address)
    finally:
        ray.shutdown()


def _check_somebody_listens(address: str) -> None:
    """Raise SettingsError at once where nobody does: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # found by Ray
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, reason: str) -> SettingsError:
    return SettingsError(
        f"--ray {address}: there is no such cluster ({reason}); start one with `ray start --head`, or leave the "
        "address out to use this machine alone"
    )


def _run(task: Callable[[], Result], threads: int) -> tuple[Result, tuple[str, ...]]:
    """In a worker: the task's result and its warnings."""
    torch.set_num_threads(threads)
    handler = _Collecting(logging.WARNING)
    logging.getLogger("xdub_core").addHandler(handler)
    try:
        return task(), tuple(handler.lines)
    finally:
        logging.getLogger("xdub_core").removeHandler(handler)


class _Collecting(logging.Handler):
    """Keeps what is logged, for the machine that asked for the work."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
