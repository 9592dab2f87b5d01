"""Muon (Jordan et al. 2024): steps of equal size in all directions of a weight matrix.

    update = orthogonalised(gradient + 0.95 momentum)

It takes small convolutional networks where AdamW takes them in about half the steps. For matrices and convolutions
inside a network only; first and last layers, biases and norms stay with AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_MOMENTUM = 0.95
_DECAY = 0.01
# The quintic that Newton and Schulz's iteration takes: it brings singular values near 1 in five rounds.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum; weights [out, ...] are matrices [out, the rest]. `lr`: about 0.02."""

    def __init__(self, parameters: Iterable[Tensor], lr: float = 0.02) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One update of all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].mul_(_MOMENTUM).add_(weight.grad)
                update = orthogonalised((weight.grad + _MOMENTUM * momentum).flatten(1)).view_as(weight)
                shape = max(1.0, weight.shape[0] / weight[0].numel()) ** 0.5
                weight.mul_(1 - group["lr"] * _DECAY).add_(update, alpha=-group["lr"] * shape)


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix [n, m] with the same singular vectors and singular values of about 1 (0.7 to 1.2)."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x.bfloat16() / (x.norm().bfloat16() + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)
