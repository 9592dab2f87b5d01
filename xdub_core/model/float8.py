"""Linear layers whose weights rest in 8 bits (float8_e4m3fn) with a scale for each row: half of bfloat16's memory.

A weight keeps 4 significant bits: it is off by 1/16 of itself at most, and by 2.3% on the average (root of the mean
square). The result is computed in the input's own precision from the widened weight; where the GPU multiplies in 8 bits
with a scale for each row (CUDA's compute capability 9.0 and above), the input is rounded to 8 bits too, row by row, and
the weight is never widened. That way is written after PyTorch's documentation and untried on a GPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FLOAT8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FLOAT8).max


class Float8Linear(nn.Module):
    """A Linear layer in 8 bits. `weight`: [out, in]; `scale`: [out, 1], float32; `bias`: as it was, or None."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = in_float8(linear.weight.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        if multiplies_float8(x.device):
            return self._scaled_product(x)
        return F.linear(x, self.weight.to(x.dtype) * self.scale.to(x.dtype), self.bias)

    def _scaled_product(self, x: Tensor) -> Tensor:
        rows, scale = in_float8(x.flatten(0, -2))
        product = torch._scaled_mm(
            rows, self.weight.t(), scale_a=scale, scale_b=self.scale.t(), bias=self.bias, out_dtype=x.dtype
        )
        return product.unflatten(0, x.shape[:-1])


def in_float8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of numbers [n, width] in 8 bits, and what each row is to be multiplied with, float32 [n, 1]."""
    scale = x.abs().amax(dim=1, keepdim=True).float().clamp(min=1e-12) / LARGEST
    return (x.float() / scale).clamp(-LARGEST, LARGEST).to(FLOAT8), scale


def multiplies_float8(device: torch.device) -> bool:
    """Whether the device multiplies matrices in 8 bits with a scale for each row."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (9, 0)


def store_in_float8(blocks: nn.Module) -> None:
    """Put 8-bit layers in place of all Linear layers in `blocks`, one at a time; modulations and norms stay."""
    for name, module in list(blocks.named_modules()):
        if isinstance(module, nn.Linear):
            owner, _, last = name.rpartition(".")
            setattr(blocks.get_submodule(owner), last, Float8Linear(module))
