"""Peak resident memory of this process, and running a measurement in a process of its own.

Linux tells by /proc, macOS by getrusage; elsewhere (Windows) psutil asks the system for the peak working set.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Forget the peak so far (Linux; elsewhere the peak is that of the whole process)."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def resident_bytes() -> int:
    """Memory in use now."""
    return _status_bytes("VmRSS") or int(_memory_info().rss)


def peak_bytes() -> int:
    """Largest memory in use since `reset_peak`."""
    if found := _status_bytes("VmHWM"):
        return found
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return int(_memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_fresh_process(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function(*args)` in a new process, so that nothing allocated before counts. Both must pickle.

    glibc there returns every larger block at once, so that memory in use is what tensors take, without leftovers.
    """
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "65536")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def _memory_info() -> Any:
    import psutil

    return psutil.Process().memory_info()


def _status_bytes(name: str) -> int | None:
    if not _STATUS.exists():
        return None
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
