"""Whether bfloat16 saves time: a CPU without instructions for it emulates it, many times slower than float32."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch


def computes_bfloat16(device: torch.device | str) -> bool:
    """Whether `device` multiplies bfloat16 matrices by instructions of its own (a CPU: as far as PyTorch can tell)."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(value for name, value in capabilities.items() if "bf16" in name)
    return True


def mixed_precision(device: torch.device | str, wanted: bool) -> AbstractContextManager[Any]:
    """bfloat16 autocast where it is `wanted` and saves time; float32 everywhere else."""
    device = torch.device(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and computes_bfloat16(device))
