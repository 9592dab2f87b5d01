"""LoRA layers that run beside a model's own, attached by hooks: the model and its weights stay as they are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from xdub_core.errors import SettingsError
from xdub_core.experts.expert import Expert, ExpertInfo, LowRank, linear_layer

DEFAULT_TARGETS = r"blocks\.\d+\.((self_attn|cross_attn|audio_attn)\.(q|k|v|o)|ffn\.(0|2))"
"""Every Linear layer of the DiT's blocks."""

Layers = TypeVar("Layers", bound="LowRankLayers")


class _LowRankLayer(nn.Module):
    def __init__(self, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(up)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.linear(x, self.down.to(x)), self.up.to(x))


class LowRankLayers(nn.Module):
    """A LoRA's layers as trainable parameters, float32.

    Attached to a model they add `scale * B A x` to the output of each layer while `active`, and leave it untouched, bit
    for bit, while not. Detach to be rid of the hooks.
    """

    def __init__(self, layers: Mapping[str, LowRank], scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.names = tuple(layers)
        self.pairs = [_LowRankLayer(*(x.float().clone() for x in pair)) for pair in layers.values()]
        self.layers = nn.ModuleList(self.pairs)
        self.active = True
        self._handles: list[RemovableHandle] = []

    def attach(self: Layers, model: nn.Module) -> Layers:
        """Hook every layer of `model` that the LoRA changes; raises CheckpointError when one does not fit."""
        for name, layer in zip(self.names, self.pairs, strict=True):
            module = linear_layer(model, name, layer.down, layer.up)
            self._handles.append(module.register_forward_hook(self._hook(layer)))
        return self

    def detach(self) -> None:
        """Take the hooks off again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    @contextmanager
    def switched(self, active: bool) -> Iterator[None]:
        """Within the context, act or do not act."""
        before, self.active = self.active, active
        try:
            yield
        finally:
            self.active = before

    def _hook(self, layer: nn.Module) -> Any:
        def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            return output + self.scale * layer(inputs[0]) if self.active else None

        return add


class Adapters(LowRankLayers):
    """An expert's layers."""

    def __init__(self, expert: Expert) -> None:
        super().__init__(expert.layers, expert.scale)
        self.info = expert.info

    def expert(self) -> Expert:
        """The expert as it is now, to save."""
        pairs = ((layer.down.detach().clone(), layer.up.detach().clone()) for layer in self.pairs)
        return Expert(self.info, {name: LowRank(*pair) for name, pair in zip(self.names, pairs, strict=True)})


def new_adapters(
    model: nn.Module, info: ExpertInfo, targets: str = DEFAULT_TARGETS, seed: int = 0
) -> Adapters:
    """Untrained adapters, of the layers of `new_layers`, which raises SettingsError when there is none."""
    layers = new_layers(model, info.rank, targets, seed)
    return Adapters(Expert(info, layers)).to(next(model.parameters()).device)


def new_layers(model: nn.Module, rank: int, targets: str, seed: int = 0) -> dict[str, LowRank]:
    """Untrained factors for the Linear layers whose whole name matches `targets`: A random, B zero.

    On the CPU, but for layers on the meta device, whose factors are there, too. Raises SettingsError when no layer
    matches.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = {}
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if re.fullmatch(targets, name) and isinstance(weight, Tensor) and weight.ndim == 2:
            rows, columns = weight.shape
            down = torch.empty(rank, columns, device="meta" if weight.is_meta else "cpu")
            if not weight.is_meta:
                bound = 1 / math.sqrt(columns)
                down.uniform_(-bound, bound, generator=generator)
            layers[name] = LowRank(down, torch.zeros(rows, rank, device=down.device))
    if not layers:
        raise SettingsError(
            f"no layer of the model is named like {targets}: give a pattern that matches some"
        )
    return layers
