"""The sizes of an X-Dub DiT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from xdub_core.errors import CheckpointError

AUDIO_TOKENS_PER_LATENT = 8
"""Feature rows (50 a second) that one latent frame attends to (X-DUB facts §3)."""


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the DiT and its audio projection. The defaults are the released model's (X-DUB facts §1, §2).

    `dim` must be divisible by `heads`, and the head dimension must be even (RoPE turns pairs of channels).
    """

    dim: int = 3072
    heads: int = 24
    layers: int = 30
    ffn_dim: int = 14336
    frequency_dim: int = 256
    text_dim: int = 4096
    audio_dim: int = 2048
    audio_inner_dim: int = 1536
    audio_head_dim: int = 64
    audio_layers: int = 4
    latent_channels: int = 48
    patch: tuple[int, int, int] = (1, 2, 2)
    eps: float = 1e-6
    background: bool = False
    """Whether the model is the mask-based generator of stage I, which sees each noised latent frame beside its
    masked background, concatenated along channels (paper section 3.1)."""
    residual: bool = False
    """Whether the network itself sees and predicts only how the target differs from the reference (the generator:
    from the background): see `dit.Residual`. The released model does not; it is what lets a small one keep the
    picture."""

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def input_channels(self) -> int:
        return 2 * self.latent_channels if self.background else self.latent_channels


RELEASED = DiTConfig()
RELEASED_HEAD_DIM = 128

_LAYER_KEYS = ("blocks.{}.modulation", "audio_embedding.layers.{}.norm1.weight")


def config_from_shapes(
    shapes: Mapping[str, tuple[int, ...]], heads: int | None = None, audio_head_dim: int | None = None
) -> DiTConfig:
    """Read the sizes off a checkpoint's tensor shapes.

    The number of heads leaves no trace in the shapes: without `heads`, heads of 128 channels are assumed, as in
    every Wan model (and 64 in the audio projection).

    Raises CheckpointError when a tensor that tells a size is missing.
    """
    try:
        dim, input_channels, *patch = shapes["patch_embedding.weight"]
        latent_channels = shapes["head.head.weight"][0] // prod(patch)
        audio_inner, audio_dim = shapes["audio_embedding.proj_in.weight"]
        return DiTConfig(
            dim=dim,
            heads=heads or max(1, dim // RELEASED_HEAD_DIM),
            layers=_count(shapes, _LAYER_KEYS[0]),
            ffn_dim=shapes["blocks.0.ffn.0.weight"][0],
            frequency_dim=shapes["time_embedding.0.weight"][1],
            text_dim=shapes["text_embedding.0.weight"][1],
            audio_dim=audio_dim,
            audio_inner_dim=audio_inner,
            audio_head_dim=audio_head_dim or RELEASED.audio_head_dim,
            audio_layers=_count(shapes, _LAYER_KEYS[1]),
            latent_channels=latent_channels,
            patch=(patch[0], patch[1], patch[2]),
            background=input_channels == 2 * latent_channels,
        )
    except KeyError as missing:
        raise CheckpointError(f"not an X-Dub checkpoint: it has no tensor named {missing}") from None


def vector_dtype(dtype: torch.dtype | None) -> torch.dtype | None:
    """The dtype of what is added or multiplied as it is: that of the model, unless it is one byte small."""
    return torch.float32 if dtype is not None and dtype.itemsize == 1 else dtype


def config_from_values(values: Mapping[str, Any]) -> DiTConfig:
    """The sizes stated as JSON (`asdict` of a DiTConfig)."""
    return DiTConfig(**{**values, "patch": tuple(values["patch"])})


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    layers = 0
    while pattern.format(layers) in shapes:
        layers += 1
    return layers
