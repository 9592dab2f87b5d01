"""Attention for training on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from xdub_core.model.attention import AttentionFunction, torch_attention


def float32_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """PyTorch's attention in float32 even under autocast: on CPUs its bfloat16 backward is several times slower."""
    with torch.autocast(q.device.type, enabled=False):
        return torch_attention(q.float(), k.float(), v.float(), heads)


def training_attention(device: torch.device | str) -> AttentionFunction:
    """The attention to train with on `device`."""
    return float32_attention if torch.device(device).type == "cpu" else torch_attention
