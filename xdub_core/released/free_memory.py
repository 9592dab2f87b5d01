"""How much memory a device has free."""

from __future__ import annotations

from pathlib import Path

import torch

_MEMINFO = Path("/proc/meminfo")
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device | str) -> int | None:
    """Bytes that could be allocated on the device now; None where nobody tells.

    Of the computer's own memory, what files are mapped or cached in counts as free, and so does swap; a container's
    limit counts where there is one.
    """
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return _computers_own() if device.type == "cpu" else None


def _computers_own() -> int | None:
    known = _meminfo(_MEMINFO)
    if "MemAvailable" in known:
        free = known["MemAvailable"] + known.get("SwapFree", 0)
        return min(free, *_container_limits(_CONTROL_GROUP, free))
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available + psutil.swap_memory().free)


def _meminfo(path: Path) -> dict[str, int]:
    """Linux' table of memory, in bytes; empty where there is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines)
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields if len(field) == 3}


def _container_limits(group: Path, unlimited: int) -> list[int]:
    """What a container's control group leaves, in its second or its first version; `unlimited` without a limit."""
    left = [unlimited]
    for limit, usage, statistics, cached in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            stated = (group / limit).read_text().strip()
            if stated != "max":
                lines = (line.split() for line in (group / statistics).read_text().splitlines())
                files = next((int(value) for name, value in lines if name == cached), 0)
                left.append(int(stated) - int((group / usage).read_text()) + files)
        except (OSError, ValueError):
            continue
    return left
