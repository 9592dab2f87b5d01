"""Muon (Jordan et al. 2024): steps of equal size in all directions of a weight matrix.

    update = orthogonalised(gradient + 0.95 momentum)

For matrices and convolutions between hidden features only; first and last layers, biases and norms stay with AdamW.
torch.optim.Muon orthogonalises in bfloat16 whatever the device, which a CPU without bfloat16 instructions emulates:
19 s a step there for xdub-mini instead of 0.27, measured. It takes no convolutions either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import torch
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
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].mul_(_MOMENTUM).add_(weight.grad)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                update = weight.grad.add(momentum, alpha=_MOMENTUM).flatten(1)
                if update.is_cuda or update.any():  # a layer that nothing reaches is not worth the work
                    weight.add_(
                        orthogonalised(update).view_as(weight), alpha=-group["lr"] * self._reach(update)
                    )

    def _reach(self, matrix: Tensor) -> float:
        rows, columns = matrix.shape
        if self.step_size == "adamw":
            return 0.2 * max(rows, columns) ** 0.5
        return max(1.0, rows / columns) ** 0.5


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
