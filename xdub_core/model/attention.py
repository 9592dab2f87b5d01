"""Self-attention over both halves, and the text and audio cross-attentions (released model §2, step 5)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
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

    def of(self, members: slice) -> KeysValues:
        """Those of some members of the batch."""
        return KeysValues(self.keys[members], self.values[members])


class FirstOrRest(NamedTuple):
    """What attention to one token and to many that are equal comes to, per head: a weight p of the first one,

        p = sigmoid(q . (first key - other key) / sqrt(head_dim) - log(how many others)),
        o(attended) = o(other value) + sum over heads of p * o(that head's first value - other value)

    which is the same softmax, summed in another order (o is linear). So are the empty prompt's 512 rows: one embedded
    token and 511 of padding (released model, section 2, "Text").
    """

    logits: Tensor
    """[dim, heads], by which queries are multiplied."""
    log_others: float
    first: Tensor
    """[heads, dim]."""
    others: Tensor
    """[1, dim]."""


class OneToken(NamedTuple):
    """What attention to a single token comes to, whatever the query: the softmax over one key is 1."""

    output: Tensor
    """[batch, 1, dim]."""


class Kept:
    """Tokens [batch, tokens, dim] whose keys and values the first run of their block makes and keeps: for a host whose
    weights come to the device block by block. `others`: see `CrossAttention.made_of`."""

    def __init__(self, tokens: Tensor, others: int | None = None) -> None:
        self.tokens = tokens
        self.others = others
        self.made: Known | None = None


Known: TypeAlias = KeysValues | FirstOrRest | OneToken
Attended: TypeAlias = Known | Kept | Tensor
"""What a cross-attention attends to: what was computed before, or the tokens [batch, tokens, dim]."""


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
        return self.o(self.attention(*self.queries_keys_values(x, tables), self.heads))

    def queries_keys_values(self, x: Tensor, tables: RotaryTables) -> tuple[Tensor, Tensor, Tensor]:
        """Those of the tokens `x` [batch, tokens, dim], each like them; `tables` are theirs."""
        q = self._rotated(self.norm_q(self.q(x)), tables)
        k = self._rotated(self.norm_k(self.k(x)), tables)
        return q, k, self.v(x)

    def _rotated(self, x: Tensor, tables: RotaryTables) -> Tensor:
        return rotate(x.unflatten(-1, (self.heads, -1)), tables).flatten(2)


class CrossAttention(_Projections):
    """Attention of target tokens to text or audio tokens. Their keys and values are best computed once a clip."""

    def keys_values(self, context: Tensor) -> KeysValues:
        """`context`: [batch, tokens, dim]."""
        return KeysValues(self.norm_k(self.k(context)), self.v(context))

    def first_or_rest(self, two: Tensor, others: int) -> FirstOrRest:
        """Of tokens `two` [1, 2, dim], the second of which stands for `others` equal ones."""
        keys, values = self.keys_values(two)
        head_dim = keys.shape[-1] // self.heads
        own = torch.eye(self.heads, dtype=keys.dtype, device=keys.device).repeat_interleave(head_dim, dim=1)
        difference = (keys[0, 0].float() - keys[0, 1].float()) * head_dim**-0.5
        nothing = torch.zeros_like(values[0, :1])
        through_o = self.o(torch.cat([nothing, values[0, 1:], own * (values[0, 0] - values[0, 1])]))
        return FirstOrRest(
            logits=(own.float() * difference).t().contiguous().to(keys),
            log_others=math.log(others),
            first=(through_o[2:].float() - through_o[:1].float()).to(values),
            others=through_o[1:2],
        )

    def made_of(self, tokens: Tensor, others: int | None = None) -> Known:
        """What to keep of tokens: keys and values, or what they come to, which takes how many `others` there are that
        are equal to each other: none beside a single token, or those for which the second of two stands."""
        if others is None:
            return self.keys_values(tokens)
        return self.first_or_rest(tokens, others) if others else OneToken(self.o(self.v(tokens)))

    def known(self, context: Attended) -> Known:
        """What a context comes to: what was computed before, or is now."""
        if isinstance(context, Tensor):
            return self.keys_values(context)
        if not isinstance(context, Kept):
            return context
        if context.made is None:
            context.made = self.made_of(context.tokens, context.others)
        return context.made

    def forward(self, x: Tensor, context: Attended) -> Tensor:
        """`x`: [batch, queries, dim] -> the same, or [batch or 1, 1, dim] where it is the same for every query.

        `context` is of the same batch size, or of 1 to serve them all.
        """
        context = self.known(context)
        if isinstance(context, FirstOrRest):
            p = torch.sigmoid(self.norm_q(self.q(x)).flatten(0, 1) @ context.logits - context.log_others)
            return torch.addmm(context.others, p, context.first).view_as(x)
        if isinstance(context, OneToken):
            return context.output
        keys, values = (c.expand(len(x), -1, -1) for c in context)
        return self.o(self.attention(self.norm_q(self.q(x)), keys, values, self.heads))


def equal_others(context: Tensor) -> int | None:
    """How many tokens follow the first of a context [1, tokens, width]: none, or several that are equal; else None.

    None where gradients are wanted, too, and in a compiled graph, which cannot ask.
    """
    others = context.shape[1] - 1
    if len(context) > 1 or others == 1 or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    return others if torch.equal(context[:, 1:], context[:, 1:2].expand(-1, others, -1)) else None
