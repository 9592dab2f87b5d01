"""Self-attention over both halves, and the text and audio cross-attentions (released model §2, step 5)."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.model.rope import RotaryTables, rotate


class AttentionFunction(Protocol):
    """Scaled dot-product attention without a mask, scale 1 / sqrt(head_dim).

    The same shapes as ComfyUI's `optimized_attention`, so a host may pass that.
    """

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        """`q`: [batch, queries, heads * head_dim]; `k`, `v`: [batch, keys, heads * head_dim] -> like `q`."""
        ...


def torch_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """PyTorch's own attention: the default."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class KeysValues(NamedTuple):
    """Projected keys and values of a cross-attention, each [batch, tokens, dim]; constant during a clip."""

    keys: Tensor
    values: Tensor


Attended: TypeAlias = KeysValues | Tensor
"""What a cross-attention attends to: keys and values that were computed before, or the tokens [batch, tokens, dim]."""


class _Projections(nn.Module):
    """q, k, v, o and the RMS norms of q and k, which run over the whole width, before the split into heads."""

    def __init__(
        self, dim: int, heads: int, eps: float, operations: Any, attention: AttentionFunction, **factory: Any
    ) -> None:
        super().__init__()
        self.heads = heads
        self.attention = attention
        self.q = operations.Linear(dim, dim, **factory)
        self.k = operations.Linear(dim, dim, **factory)
        self.v = operations.Linear(dim, dim, **factory)
        self.o = operations.Linear(dim, dim, **factory)
        self.norm_q = operations.RMSNorm(dim, eps=eps, **factory)
        self.norm_k = operations.RMSNorm(dim, eps=eps, **factory)


class SelfAttention(_Projections):
    """Attention of every token, reference and target alike, to every other."""

    def forward(self, x: Tensor, tables: RotaryTables) -> Tensor:
        """`x`: [batch, tokens, dim] -> the same."""
        q = self._rotated(self.norm_q(self.q(x)), tables)
        k = self._rotated(self.norm_k(self.k(x)), tables)
        return self.o(self.attention(q, k, self.v(x), self.heads))

    def _rotated(self, x: Tensor, tables: RotaryTables) -> Tensor:
        return rotate(x.unflatten(-1, (self.heads, -1)), tables).flatten(2)


class CrossAttention(_Projections):
    """Attention of target tokens to text or audio tokens. Their keys and values are best computed once a clip."""

    def keys_values(self, context: Tensor) -> KeysValues:
        """`context`: [batch, tokens, dim]."""
        return KeysValues(self.norm_k(self.k(context)), self.v(context))

    def forward(self, x: Tensor, context: Attended) -> Tensor:
        """`x`: [batch, queries, dim]; `context` of the same batch size, or of 1 to serve them all."""
        if not isinstance(context, KeysValues):
            context = self.keys_values(context)
        keys, values = (c.expand(len(x), -1, -1) for c in context)
        return self.o(self.attention(self.norm_q(self.q(x)), keys, values, self.heads))
