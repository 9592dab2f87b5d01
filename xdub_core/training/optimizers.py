"""Optimisers: AdamW, and for the weight matrices inside a transformer Muon, where it is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from xdub_core.training.muon import Muon

OptimizerKind = Literal["adamw", "muon"]


def is_inner_matrix(name: str, weight: Tensor) -> bool:
    """Whether a parameter of the DiT is a matrix between hidden features: those of its blocks and audio layers.

    The first and last layers, embeddings, modulations, norms, biases and LoRA factors are not.
    """
    parts = name.split(".")
    inside = "adapters" not in parts and ("blocks" in parts or "layers" in parts)
    return inside and weight.ndim == 2


def make_optimizers(
    parameters: Mapping[str, nn.Parameter],
    kind: OptimizerKind,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
) -> list[torch.optim.Optimizer]:
    """The optimisers that take all of `parameters` between them, each parameter in one."""
    matrices = [p for name, p in parameters.items() if kind == "muon" and is_inner_matrix(name, p)]
    taken = {id(p) for p in matrices}
    others = [p for p in parameters.values() if id(p) not in taken]
    optimizers: list[torch.optim.Optimizer] = []
    if others:
        optimizers.append(torch.optim.AdamW(others, lr=learning_rate, betas=betas, weight_decay=weight_decay))
    if matrices:
        optimizers.append(Muon(matrices, learning_rate, weight_decay, step_size="adamw"))
    return optimizers
