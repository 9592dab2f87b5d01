"""The audio projection: encoder features to the DiT's audio tokens (released model §2, "Audio projection")."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.model.attention import AttentionFunction, torch_attention
from xdub_core.model.config import DiTConfig, vector_dtype

MAX_POSITIONS = 100
NORM_EPS = 1e-5
FEED_FORWARD_FACTOR = 4


class AudioProjection(nn.Module):
    """A small transformer over the 8 audio tokens of each latent frame, each frame by itself."""

    def __init__(
        self,
        config: DiTConfig,
        operations: Any,
        attention: AttentionFunction = torch_attention,
        **factory: Any,
    ) -> None:
        super().__init__()
        inner = config.audio_inner_dim
        heads = inner // config.audio_head_dim
        self.proj_in = operations.Linear(config.audio_dim, inner, **factory)
        self.layers = nn.ModuleList(
            _Layer(inner, heads, operations, attention, **factory) for _ in range(config.audio_layers)
        )
        self.proj_out = operations.Linear(inner, config.dim, **factory)

    def forward(self, features: Tensor) -> Tensor:
        """`features`: [batch, latent frames, 8, audio_dim] -> [batch, latent frames, 8, dim]."""
        batch, frames = features.shape[:2]
        x = self.proj_in(features.flatten(0, 1))
        for layer in self.layers:
            x = layer(x)
        return self.proj_out(x).unflatten(0, (batch, frames))


class _Layer(nn.Module):
    def __init__(
        self, dim: int, heads: int, operations: Any, attention: AttentionFunction, **factory: Any
    ) -> None:
        super().__init__()
        self.norm1 = operations.LayerNorm(dim, eps=NORM_EPS, **factory)
        self.attn = _Attention(dim, heads, operations, attention, **factory)
        self.norm2 = operations.LayerNorm(dim, eps=NORM_EPS, **factory)
        self.ff = _FeedForward(dim, operations, **factory)
        self.pos_embed = _Positions(dim, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.pos_embed(self.norm1(x)))
        return x + self.ff(self.norm2(x))


class _Attention(nn.Module):
    def __init__(
        self, dim: int, heads: int, operations: Any, attention: AttentionFunction, **factory: Any
    ) -> None:
        super().__init__()
        self.heads = heads
        self.attention = attention
        self.to_q = operations.Linear(dim, dim, bias=False, **factory)
        self.to_k = operations.Linear(dim, dim, bias=False, **factory)
        self.to_v = operations.Linear(dim, dim, bias=False, **factory)
        self.to_out = nn.ModuleList([operations.Linear(dim, dim, **factory)])

    def forward(self, x: Tensor) -> Tensor:
        return self.to_out[0](self.attention(self.to_q(x), self.to_k(x), self.to_v(x), self.heads))


class _FeedForward(nn.Module):
    """GEGLU feed-forward. `net` keeps the checkpoint's numbering, where 1 was the (absent) dropout."""

    def __init__(self, dim: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        hidden = FEED_FORWARD_FACTOR * dim
        gated = _GatedGELU(dim, hidden, operations, **factory)
        self.net = nn.Sequential(gated, nn.Identity(), operations.Linear(hidden, dim, **factory))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class _GatedGELU(nn.Module):
    def __init__(self, dim: int, hidden: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.proj = operations.Linear(dim, 2 * hidden, **factory)

    def forward(self, x: Tensor) -> Tensor:
        hidden, gate = self.proj(x).chunk(2, dim=-1)
        return hidden * F.gelu(gate)


class _Positions(nn.Module):
    """A fixed sinusoid, which the checkpoint nevertheless holds."""

    pe: Tensor

    def __init__(self, dim: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        positions = sinusoid(MAX_POSITIONS, dim).to(device=device, dtype=vector_dtype(dtype))
        self.register_buffer("pe", positions.unsqueeze(0))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[:, : x.shape[1]].to(x)


def sinusoid(positions: int, dim: int) -> Tensor:
    """The transformer's sinusoid [positions, dim]: sine in even channels, cosine in odd ones."""
    frequencies = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(10000.0) / dim))
    angles = torch.outer(torch.arange(positions).float(), frequencies)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
