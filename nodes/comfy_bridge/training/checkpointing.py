"""Gradient checkpoints around the blocks of core's LTX-2, with right gradients.

Core adds to its hidden states in place, after a norm that keeps them for its gradient. Plain autograd refuses that.
PyTorch's own checkpoints do not notice: they would take the states as they are in the end, and be wrong.
Here a block is computed again with copies of whatever is changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

Streams = tuple[Tensor, Tensor]
"""Hidden states of picture and sound, [batch, tokens, width] each."""
Run = Callable[[Tensor, Tensor], Streams]


@dataclass(frozen=True)
class CheckpointedBlock:
    """A block's replacement in core's `patches_replace`. `within`: a context that it runs in, both times.

    Core hands over the block, too, as a function: one that runs the last block, once the loop over them has ended.
    """

    block: nn.Module
    within: Callable[[], AbstractContextManager[object]]

    def __call__(self, args: dict[str, Any], _: dict[str, Any]) -> dict[str, Streams]:
        constant = {name: value for name, value in args.items() if name != "img"}

        def run(video: Tensor, audio: Tensor) -> Streams:
            with self.within():
                return self.block((video, audio), **constant)

        return {"img": checkpointed(run, *args["img"])}


def checkpointed(run: Run, video: Tensor, audio: Tensor) -> Streams:
    """`run` of both, which may change them in place; its inner states are computed again for the gradient.

    Parameters that `run` uses get their gradients, too.
    """
    # What comes out must ask for gradients even where nothing that goes in does.
    asks = torch.zeros((), requires_grad=True)
    return _Checkpoint.apply(run, asks, video, audio)


class _Checkpoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: Run, _: Tensor, video: Tensor, audio: Tensor) -> Streams:
        ctx.run = run
        ctx.save_for_backward(video, audio)
        return run(video.clone(), audio.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        video, audio = (states.detach().requires_grad_() for states in ctx.saved_tensors)
        with torch.enable_grad():
            states = video.clone(), audio.clone()
            with _changed_in_place(*states):
                made = ctx.run(*states)
            torch.autograd.backward(made, gradients)
        return None, None, video.grad, audio.grad


def _changed_in_place(*tensors: Tensor) -> AbstractContextManager[object]:
    """What is kept of these tensors for the gradient is a copy; anything else must not change until it is used.

    PyTorch's `allow_mutation_on_saved_tensors` asks for nothing, and takes twice as long as a small block.
    """
    changing = {tensor.untyped_storage().data_ptr() for tensor in tensors}

    def keep(tensor: Tensor) -> tuple[Tensor, int]:
        kept = tensor.detach()  # which is no part of a circle with what made it
        if kept.untyped_storage().data_ptr() in changing:
            kept = kept.clone()
        return kept, kept._version

    def use(kept: tuple[Tensor, int]) -> Tensor:
        tensor, version = kept
        if tensor._version != version:
            raise RuntimeError("core changes in place what its gradient needs, and not only hidden states")
        return tensor

    return saved_tensors_hooks(keep, use)
