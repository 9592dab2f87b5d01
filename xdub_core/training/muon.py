"""Muon (Jordan et al. 2024): steps of equal size in all directions of a weight matrix.

    update = orthogonalised(gradient + 0.95 momentum)

For matrices and convolutions between hidden features only; first and last layers, biases and norms stay with AdamW.
torch.optim.Muon orthogonalises in bfloat16 whatever the device, which a CPU without bfloat16 instructions emulates:
19 s a step there for xdub-mini instead of 0.27, measured. It takes no convolutions either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from xdub_core.training.precision import computes_bfloat16

StepSize = Literal["spectral", "adamw"]

_MOMENTUM = 0.95
# The quintic that Newton and Schulz's iteration takes: it brings singular values near 1 in five rounds.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum; weights [out, ...] are matrices [out, the rest].

    `step_size`: "spectral" steps by `lr` times sqrt(max(1, out / in)), for an `lr` of about 0.02; "adamw" by `lr` times
    0.2 sqrt(max(out, in)), which is as far as AdamW goes with the same `lr` (Liu et al. 2025, arXiv 2502.16982,
    section 2.2).

    Where several processes train together (`torch.distributed`), each orthogonalises its share of the weights, and all
    get all the updates.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.02,
        weight_decay: float = 0.01,
        step_size: StepSize = "spectral",
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.step_size: StepSize = step_size

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One update of all weights that have a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            directions = [self._direction(weight) for weight in weights]
            for weight, update in zip(weights, _all_orthogonalised(directions), strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view_as(weight), alpha=-group["lr"] * self._reach(update))

    def _direction(self, weight: Tensor) -> Tensor:
        """Nesterov's: the gradient with the momentum that it changes, as a matrix."""
        assert weight.grad is not None
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].mul_(_MOMENTUM).add_(weight.grad)
        return weight.grad.add(momentum, alpha=_MOMENTUM).flatten(1)

    def _reach(self, matrix: Tensor) -> float:
        rows, columns = matrix.shape
        if self.step_size == "adamw":
            return 0.2 * max(rows, columns) ** 0.5
        return max(1.0, rows / columns) ** 0.5


def _all_orthogonalised(matrices: Sequence[Tensor]) -> list[Tensor]:
    """The matrices orthogonalised, by all processes together; those of nothing but zeros stay so."""
    together = dist.is_available() and dist.is_initialized()
    rank, world = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)
    updates = []
    for number, matrix in enumerate(matrices):
        if number % world != rank:
            updates.append(torch.zeros_like(matrix))
        elif matrix.is_cuda or matrix.any():  # a layer that nothing reaches is not worth the work
            updates.append(orthogonalised(matrix))
        else:
            updates.append(matrix)
    if world == 1:
        return updates
    whole = torch.cat([update.flatten() for update in updates])
    dist.all_reduce(whole)  # one has each, and the others have zeros there
    return [
        part.view_as(like)
        for part, like in zip(whole.split([m.numel() for m in matrices]), matrices, strict=True)
    ]


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix [n, m] with the same singular vectors and singular values of about 1 (0.7 to 1.2)."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x.to(torch.bfloat16 if computes_bfloat16(x.device) else torch.float32)
    x = x / (x.norm() + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
