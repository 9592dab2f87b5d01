"""The sizes of an X-Dub DiT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.vae.grid import WAN_GRID
from xdub_core.weights.stated import stated

TIMESTEPS = 1000.0
"""The model's timestep is this times sigma."""
CONFIG_METADATA = "config"
"""Key of a checkpoint's safetensors metadata where ComfyUI looks for a model's sizes: JSON, in it `transformer`, and
in that, as `xdub`, our DiTConfig. The released file has none."""
AUDIO_TOKENS_PER_LATENT = 8
"""Feature rows (50 a second) that one latent frame attends to (released model §3)."""


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the DiT and its audio projection. The defaults are the released model's (docs/released-model.md §1, §2).

    `dim` must be divisible by `heads`, and the head dimension must be even (RoPE turns pairs of channels).

    Raises SettingsError for sizes that no network can have.
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
    latent_channels: int = WAN_GRID.channels
    patch: tuple[int, int, int] = (1, 2, 2)
    eps: float = 1e-6
    background: bool = False
    """Whether the model is the mask-based generator of stage I, which sees each noised latent frame beside its
    masked background, concatenated along channels (paper section 3.1)."""
    residual: bool = False
    """Whether the network itself sees and predicts only how the target differs from the reference (the generator:
    from the background): see `dit.Residual`. The released model does not; it is what lets a small one keep the
    picture."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if any(
                size <= 0 for size in (value if isinstance(value, tuple) else (value,)) if size is not False
            ):
                raise SettingsError(f"a model whose {name} is {value}: use 1 or more")
        if self.dim % self.heads or self.dim // self.heads % 2:
            raise SettingsError(
                f"a model of {self.heads} heads in a width of {self.dim}: use heads of an even width"
            )
        if self.audio_inner_dim % self.audio_head_dim:
            raise SettingsError(
                f"an audio projection with heads of {self.audio_head_dim} in a width of {self.audio_inner_dim}: "
                "use heads that divide it"
            )

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def input_channels(self) -> int:
        return 2 * self.latent_channels if self.background else self.latent_channels


RELEASED = DiTConfig()
RELEASED_HEAD_DIM = 128

_LATER_FIELDS = ("background", "residual")
"""What files of the first version do not state."""
_SHOWN_BY = {
    "dim": ("patch_embedding.weight", 0),
    "ffn_dim": ("blocks.0.ffn.0.weight", 0),
    "frequency_dim": ("time_embedding.0.weight", 1),
    "text_dim": ("text_embedding.0.weight", 1),
    "audio_dim": ("audio_embedding.proj_in.weight", 1),
    "audio_inner_dim": ("audio_embedding.proj_in.weight", 0),
}
"""Which axis of which tensor shows a size."""
_LAYERS_BEGIN = {"layers": "blocks.", "audio_layers": "audio_embedding.layers."}


def config_from_shapes(
    shapes: Mapping[str, tuple[int, ...]], heads: int | None = None, audio_head_dim: int | None = None
) -> DiTConfig:
    """Read the sizes off a checkpoint's tensor shapes.

    The number of heads leaves no trace in the shapes: without `heads`, heads of 128 channels are assumed, as in
    every Wan model (and of 64 in the audio projection), or a single one where the width is less.

    Raises CheckpointError when a tensor that tells a size is missing, or of a shape that tells none.
    """
    try:
        dim, input_channels, *patch = shapes["patch_embedding.weight"]
        latent_channels = shapes["head.head.weight"][0] // prod(patch)
        shown: dict[str, Any] = {field: shapes[tensor][axis] for field, (tensor, axis) in _SHOWN_BY.items()}
        layers: dict[str, Any] = {field: _count(shapes, start) for field, start in _LAYERS_BEGIN.items()}
        return DiTConfig(
            **shown,
            **layers,
            heads=heads or max(1, dim // RELEASED_HEAD_DIM),
            audio_head_dim=audio_head_dim or min(RELEASED.audio_head_dim, shown["audio_inner_dim"]),
            latent_channels=latent_channels,
            patch=(patch[0], patch[1], patch[2]),
            background=input_channels == 2 * latent_channels,
        )
    except KeyError as missing:
        raise CheckpointError(f"not an X-Dub checkpoint: it has no tensor named {missing}") from None
    except (ValueError, IndexError, ZeroDivisionError, SettingsError) as error:
        raise CheckpointError(
            f"not an X-Dub checkpoint: its tensors' shapes make no sense ({error})"
        ) from None


def config_from_values(
    values: object, shapes: Mapping[str, tuple[int, ...]] | None = None, what: str = "the checkpoint's config"
) -> DiTConfig:
    """The sizes that a file states as JSON (`asdict` of a DiTConfig), checked against its tensors' `shapes`, if given.

    `what` names the file in messages. Raises CheckpointError where they are not exactly a DiTConfig's, make no
    network, or are not those of the tensors: nothing of an absurd size is ever built.
    """
    config = stated(DiTConfig, values, what, _LATER_FIELDS)
    if shapes is None:
        return config
    shown = {tensor: {axis: getattr(config, field)} for field, (tensor, axis) in _SHOWN_BY.items()}
    shown["audio_embedding.proj_in.weight"] = dict(enumerate((config.audio_inner_dim, config.audio_dim)))
    shown["patch_embedding.weight"] = dict(enumerate((config.dim, config.input_channels, *config.patch)))
    shown["head.head.weight"] = {0: config.latent_channels * prod(config.patch)}
    for tensor, sizes in shown.items():
        shape = shapes.get(tensor)
        if shape is not None and any(shape[axis : axis + 1] != (size,) for axis, size in sizes.items()):
            raise CheckpointError(
                f"{what} does not fit its tensors ({tensor} is {list(shape)}): get the file again"
            )
    for field, start in _LAYERS_BEGIN.items():
        if (count := _count(shapes, start)) != getattr(config, field):
            raise CheckpointError(
                f"{what} states {getattr(config, field)} {field}, and there are tensors of {count}: get the file again"
            )
    return config


def vector_dtype(dtype: torch.dtype | None) -> torch.dtype | None:
    """The dtype of what is added or multiplied as it is: that of the model, unless it is one byte small."""
    return torch.float32 if dtype is not None and dtype.itemsize == 1 else dtype


def _count(shapes: Mapping[str, tuple[int, ...]], start: str) -> int:
    """How many layers have tensors whose names go on from `start` with the layer's number."""
    return len({name.removeprefix(start).partition(".")[0] for name in shapes if name.startswith(start)})
