"""Optimisers: AdamW, and for the weight matrices inside a model Muon, where it is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from xdub_core.training.muon import Muon
from xdub_core.training.settings import TrainerSettings


def is_inner_matrix(name: str, weight: Tensor) -> bool:
    """Whether a parameter is a matrix between hidden features, [out, in] of a DiT or [out, in, h, w] of a convolution.

    In a DiT those of its blocks and audio layers are; the first and last layers, embeddings, modulations, norms, biases
    and LoRA factors are not. Convolutions of 1 pixel are not.
    """
    parts = name.split(".")
    inside = "adapters" not in parts and ("blocks" in parts or "layers" in parts)
    return (inside and weight.ndim == 2) or (weight.ndim == 4 and weight[0, 0].numel() > 1)


def make_optimizers(
    parameters: Mapping[str, nn.Parameter], settings: TrainerSettings
) -> list[torch.optim.Optimizer]:
    """The optimisers that take all of `parameters` between them, each parameter in one."""
    muon = settings.optimizer == "muon"
    matrices = [p for name, p in parameters.items() if muon and is_inner_matrix(name, p)]
    taken = {id(p) for p in matrices}
    others = [p for p in parameters.values() if id(p) not in taken]
    spared = [p for p in others if p.ndim <= 1 and not settings.decay_vectors]
    decayed = [p for p in others if p.ndim > 1 or settings.decay_vectors]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": spared, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = []
    if others:
        optimizers.append(
            torch.optim.AdamW(
                groups,
                lr=settings.learning_rate,
                betas=settings.betas,
                weight_decay=settings.weight_decay,
            )
        )
    if matrices and settings.matrix_rate is not None:
        optimizers.append(Muon(matrices, settings.matrix_rate))
    elif matrices:
        optimizers.append(Muon(matrices, settings.learning_rate, settings.weight_decay, step_size="adamw"))
    return optimizers
