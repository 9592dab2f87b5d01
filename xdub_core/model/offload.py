"""Blocks that rest in the computer's memory and come to the device one after the other, for cards of little memory.

While a block runs, the next one is copied on a second stream where the device has streams (CUDA), from pinned memory.
The numbers are those of a model that is there as a whole, to the last bit: only where they lie differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xdub_core.model.dit import XDubDiT

Fetched = dict[str, Tensor]
"""A block's tensors on the device, by name."""


class BlockOffload:
    """Runs a DiT's blocks on `device` with at most `resident` of them kept there, and two more on their way.

    Everything else of the model goes to the device at once. It is a `BlockRunner`: give it to the DiT's forward, with
    constants that were prepared `by_block`.
    """

    def __init__(self, dit: XDubDiT, device: torch.device | str, resident: int = 0) -> None:
        self.device, self.blocks = torch.device(device), list(dit.blocks)
        self.resting = self.blocks[resident:]
        for name, part in dit.named_children():
            if name != "blocks":
                part.to(self.device)
        for block in self.blocks[:resident]:
            block.to(self.device)
        on_gpu = self.device.type == "cuda"
        self._stream: Any = torch.cuda.Stream(self.device) if on_gpu else None
        for block in self.resting:
            for tensor in _tensors(block).values():
                tensor.data = tensor.data.cpu().pin_memory() if on_gpu else tensor.data.cpu()
        self._coming: dict[int, Fetched] = {}

    def __call__(self, number: int, run: Callable[..., Tensor], x: Tensor) -> Tensor:
        """Run block `number`, which is on the device meanwhile."""
        target_only = number + 1 == len(self.blocks)
        place = number - (len(self.blocks) - len(self.resting))
        if place < 0:
            if number + 1 == len(self.blocks) - len(self.resting):
                self._fetch(0)
            return run(x, target_only=target_only)
        fetched = self._arrived(place)
        if len(self.resting) > 1:
            self._fetch((place + 1) % len(self.resting))
        with _in_place(self.resting[place], fetched):
            return run(x, target_only=target_only)

    def rest(self) -> None:
        """Let go of what is on its way, as at the end of a clip."""
        self._coming.clear()

    def _fetch(self, place: int) -> None:
        """Begin to copy a block's tensors to the device."""
        if place in self._coming or not self.resting:
            return
        # Not as inference's tensors, which a parameter does not take for its own.
        with torch.inference_mode(False), torch.cuda.stream(self._stream):
            tensors = _tensors(self.resting[place])
            self._coming[place] = {
                name: tensor.data.to(self.device, non_blocking=True) for name, tensor in tensors.items()
            }

    def _arrived(self, place: int) -> Fetched:
        """A block's tensors on the device, when they are there."""
        self._fetch(place)
        fetched = self._coming.pop(place)
        if self._stream is not None:
            now = torch.cuda.current_stream(self.device)
            now.wait_stream(self._stream)
            for tensor in fetched.values():
                tensor.record_stream(now)  # its memory is not given away before the block has run
        return fetched


def _tensors(block: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a block."""
    return {**dict(block.named_parameters()), **dict(block.named_buffers())}


@contextmanager
def _in_place(block: nn.Module, fetched: Fetched) -> Iterator[None]:
    """The block with the fetched tensors in place of its own."""
    own = _tensors(block)
    resting = {name: tensor.data for name, tensor in own.items()}
    try:
        for name, tensor in own.items():
            tensor.data = fetched[name]
        yield
    finally:
        for name, tensor in own.items():
            tensor.data = resting[name]
