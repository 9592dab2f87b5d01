"""A block of X-Dub's DiT, and its head: modulated by two timesteps, on tokens of which the clean ones come first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xdub_core.model.attention import (
    Attended,
    AttentionFunction,
    CrossAttention,
    KeysValues,
    Known,
    SelfAttention,
)
from xdub_core.model.config import DiTConfig, vector_dtype
from xdub_core.model.rope import RotaryTables
from xdub_core.model.token_parts import Layout, Part, together

ActivatedLinear = Callable[[nn.Module, Tensor], Tensor]
"""(a Linear layer, its fresh input) -> what the layer makes of the input's GELU (tanh)."""

FEED_FORWARD_TOKENS = 10240
"""Without gradients, the feed-forward takes so many tokens at once: its hidden layer is the widest."""


def gelu_linear(layer: nn.Module, fresh: Tensor) -> Tensor:
    """The default `ActivatedLinear`: overwrites its input."""
    return layer(torch.ops.aten.gelu_(fresh, approximate="tanh"))


class Block(nn.Module):
    """Self-attention, text and audio cross-attention on the target half, feed-forward."""

    def __init__(
        self,
        config: DiTConfig,
        operations: Any,
        attention: AttentionFunction,
        activated: ActivatedLinear,
        **factory: Any,
    ) -> None:
        super().__init__()
        self.activated = activated
        dim, eps = config.dim, config.eps
        shared = (dim, config.heads, eps, operations, attention)
        self.modulation = _modulation(6, dim, **factory)
        self.norm1 = operations.LayerNorm(dim, eps=eps, elementwise_affine=False, **factory)
        self.self_attn = SelfAttention(*shared, **factory)
        self.norm3 = operations.LayerNorm(dim, eps=eps, **factory)
        self.cross_attn = CrossAttention(*shared, **factory)
        self.norm4 = operations.LayerNorm(dim, eps=eps, **factory)
        self.audio_attn = CrossAttention(*shared, **factory)
        self.norm2 = operations.LayerNorm(dim, eps=eps, elementwise_affine=False, **factory)
        self.ffn = nn.Sequential(
            operations.Linear(dim, config.ffn_dim, **factory),
            nn.GELU(approximate="tanh"),
            operations.Linear(config.ffn_dim, dim, **factory),
        )

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        tables: RotaryTables,
        text: Attended,
        audio: Attended | None,
        layout: Layout,
        *,
        target_only: bool = False,
    ) -> Tensor:
        """`x`: [batch, tokens, dim], the reference's tokens first -> the same, or the target's with `target_only`.

        `modulation`: of clean and of noised tokens, [batch, 2, 6, dim]; without `audio`, it is not listened to.
        """
        vectors = self.modulation.to(x).unsqueeze(1) + modulation
        text = self.cross_attn.known(text)
        audio = None if audio is None else self.audio_attn.known(audio)
        first = layout.reference if target_only else 0
        in_parts = layout.is_long and self._takes_parts(x)
        parts, wanted = (
            (layout.parts(), layout.parts(first)) if in_parts else (layout.whole(), layout.whole(first))
        )
        q, k, v = together(parts, partial(self.before_attention, x, vectors, tables))
        attended = self.self_attn.attention(q[:, first:], k, v, self.self_attn.heads)
        del q, k, v
        after = partial(self.after_attention, x, attended, first, vectors, text, audio, layout)
        return together(wanted, after)[0]

    def _takes_parts(self, x: Tensor) -> bool:
        """Whether the tokens may come part by part: not where that would widen packed weights once a part."""
        if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        return self.ffn[0].weight.dtype == x.dtype

    def before_attention(
        self, x: Tensor, vectors: Tensor, tables: RotaryTables, part: Part
    ) -> tuple[Tensor, ...]:
        """Queries, keys and values of a part of the tokens `x`; `vectors`: [batch, 2, 6, dim]."""
        shift, scale = vectors[part.members, :, :2].unbind(2)
        normed = modulate(self.norm1(part.of(x)), shift, scale, part.clean)
        return self.self_attn.queries_keys_values(normed, tables.of(slice(part.start, part.stop)))

    def after_attention(
        self,
        x: Tensor,
        attended: Tensor,
        first: int,
        vectors: Tensor,
        text: Known,
        audio: Known | None,
        layout: Layout,
        part: Part,
    ) -> tuple[Tensor]:
        """What becomes of a part of the tokens `x`, once all from `first` on have `attended` to all."""
        gate_attn, shift_ffn, scale_ffn, gate_ffn = vectors[part.members, :, 2:].unbind(2)
        own = part.of(attended, first).contiguous()
        x = added(gate(self.self_attn.o(own), gate_attn, part.clean), part.of(x))
        del own
        if part.reference < x.shape[1]:
            reference, target = x[:, : part.reference], x[:, part.reference :]
            read = text.of(part.members) if isinstance(text, KeysValues) and len(text.keys) > 1 else text
            target = added(target, self.cross_attn(self.norm3(target), read))
            if audio is not None:
                heard = audio_of(audio, part, layout)
                target = added(target, self.attend_to_audio(self.norm4(target), heard))
            if torch.is_grad_enabled():  # without, they lie in x
                x = torch.cat([reference, target], dim=1)
        fed = self.feed_forward(modulate(self.norm2(x), shift_ffn, scale_ffn, part.clean))
        return (added(gate(fed, gate_ffn, part.clean), x),)

    def attend_to_audio(self, target: Tensor, audio: Attended) -> Tensor:
        """Each latent frame's tokens attend to the audio tokens of that frame only."""
        known = self.audio_attn.known(audio)
        assert isinstance(known, KeysValues)  # audio is never merged
        frames = len(known.keys) // len(target)
        by_frame = target.unflatten(1, (frames, -1)).flatten(0, 1)  # [batch * frames, rows * columns, dim]
        return self.audio_attn(by_frame, known).unflatten(0, (len(target), frames)).flatten(1, 2)

    def feed_forward(self, x: Tensor) -> Tensor:
        """The feed-forward of all tokens [batch, tokens, dim]; some after the others where no gradients are wanted.

        Cut from the tokens of the whole batch, one after the other in memory: of a piece with gaps, PyTorch makes a
        batched product, for which it copies the weights once per member of the batch.
        """
        if torch.is_grad_enabled():
            return self.ffn(x)
        tokens = x.flatten(0, 1)
        if len(tokens) <= FEED_FORWARD_TOKENS:
            return self._fed(tokens).view_as(x)
        out = torch.empty_like(tokens)
        pieces = (tokens.split(FEED_FORWARD_TOKENS), out.split(FEED_FORWARD_TOKENS))
        for piece, result in zip(*pieces, strict=True):
            result.copy_(self._fed(piece))
        return out.view_as(x)

    def _fed(self, tokens: Tensor) -> Tensor:
        widen, _, narrow = self.ffn
        return self.activated(narrow, widen(tokens))


def audio_of(audio: Known, part: Part, layout: Layout) -> KeysValues:
    """The keys and values of a part's frames; all are there frame by frame, for each member of the batch."""
    assert isinstance(audio, KeysValues)
    if part.members == slice(None):
        return audio
    frames = len(audio.keys) // layout.batch
    before = part.members.start * frames - layout.reference // layout.frame
    return audio.of(slice(before + part.start // layout.frame, before + part.stop // layout.frame))


class Head(nn.Module):
    """Modulated LayerNorm and the projection to patches of velocity."""

    def __init__(self, config: DiTConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        dim = config.dim
        patch_values = config.latent_channels * config.patch[0] * config.patch[1] * config.patch[2]
        self.norm = operations.LayerNorm(dim, eps=config.eps, elementwise_affine=False, **factory)
        self.head = operations.Linear(dim, patch_values, **factory)
        self.modulation = _modulation(2, dim, **factory)

    def forward(self, x: Tensor, embedding: Tensor, clean_tokens: int) -> Tensor:
        """`x`: [batch, target tokens, dim]; `embedding`: the timesteps' [batch, 2, dim]."""
        shift, scale = (self.modulation.to(x).unsqueeze(1) + embedding.unsqueeze(2)).unbind(2)
        return self.head(modulate(self.norm(x), shift, scale, clean_tokens))


def _modulation(rows: int, dim: int, device: Any = None, dtype: Any = None) -> nn.Parameter:
    """AdaLN vectors [1, rows, dim]."""
    vectors = torch.randn(1, rows, dim, device=device) / dim**0.5
    return nn.Parameter(vectors.to(vector_dtype(dtype)))


def modulate(x: Tensor, shift: Tensor, scale: Tensor, clean_tokens: int) -> Tensor:
    """x * (1 + scale) + shift, in place on a fresh `x` [batch, tokens, dim]; vectors [batch, 2, dim]."""
    for row, tokens in enumerate((slice(clean_tokens), slice(clean_tokens, None))):
        x[:, tokens].mul_(1 + scale[:, row, None]).add_(shift[:, row, None])
    return x


def gate(x: Tensor, gates: Tensor, clean_tokens: int) -> Tensor:
    """x * gate, in place on a fresh `x` [batch, tokens, dim]; `gates` [batch, 2, dim]."""
    for row, tokens in enumerate((slice(clean_tokens), slice(clean_tokens, None))):
        x[:, tokens].mul_(gates[:, row, None])
    return x


def added(fresh: Tensor, x: Tensor) -> Tensor:
    """`fresh` + `x`, in place on `fresh` where no gradients are wanted."""
    return fresh + x if torch.is_grad_enabled() else fresh.add_(x)
