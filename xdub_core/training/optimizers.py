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
    parameters: Mapping[str, nn.Parameter],
    settings: TrainerSettings,
    rates: Mapping[str, float] | None = None,
) -> list[torch.optim.Optimizer]:
    """The optimisers that take all of `parameters` between them, each parameter in one.

    `rates`: the highest learning rate of parameters, by name, that AdamW takes at another than the settings'. A group's
    own highest rate is its "peak".
    """
    rates = rates or {}
    muon = settings.optimizer == "muon"
    matrices = [p for name, p in parameters.items() if muon and is_inner_matrix(name, p)]
    taken = {id(p) for p in matrices}
    others = {name: p for name, p in parameters.items() if id(p) not in taken}
    groups: list[dict[str, Any]] = []
    for peak in sorted({rates.get(name, settings.learning_rate) for name in others}, reverse=True):
        own = [p for name, p in others.items() if rates.get(name, settings.learning_rate) == peak]
        spared = [p for p in own if p.ndim <= 1 and not settings.decay_vectors]
        decayed = [p for p in own if p.ndim > 1 or settings.decay_vectors]
        groups.append({"params": decayed, "peak": peak})
        groups.append({"params": spared, "peak": peak, "weight_decay": 0.0})
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
