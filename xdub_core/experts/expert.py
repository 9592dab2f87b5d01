"""The expert file: a LoRA in ComfyUI's own key names, with what it is for in the metadata.

    diffusion_model.<module>.lora_A.weight   [rank, in]
    diffusion_model.<module>.lora_B.weight   [out, rank]
    diffusion_model.<module>.alpha           scalar; the change of the weight is alpha / rank * B A

Any LoRA loader reads such a file, but only one that knows the noise levels gates it (paper section 3.3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.weights.kinds import FLOATS
from xdub_core.weights.stated import stated, stated_object
from xdub_core.weights.tensor_file import TensorFile, open_tensors, save_tensors

PREFIX = "diffusion_model."
EXPERT_METADATA = "xdub_expert"
"""Key of the safetensors metadata that holds the ExpertInfo as JSON."""
LIP_RANGE = (0.4, 0.8)
TEXTURE_RANGE = (0.0, 0.3)
"""The noise levels t at which the paper's experts act, ends included (table 8)."""

_A, _B, _ALPHA = ".lora_A.weight", ".lora_B.weight", ".alpha"


@dataclass(frozen=True)
class ExpertInfo:
    """What an expert is: its `kind` (lip, texture), LoRA `rank` and `alpha`, the range of t in which it acts, both
    ends included, and the name of the `base` model that it was trained on."""

    kind: str
    rank: int
    alpha: float
    lowest: float
    highest: float
    base: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest <= 1:
            raise SettingsError(
                f"a {self.kind} expert for t from {self.lowest} to {self.highest}: use a range within 0..1"
            )
        if self.rank < 1:
            raise SettingsError(f"a {self.kind} expert of rank {self.rank}: use 1 or more")

    def acts_at(self, sigma: float) -> bool:
        return self.lowest <= sigma <= self.highest


class LowRank(NamedTuple):
    """One module's change: `down` (A) [rank, in] and `up` (B) [out, rank]."""

    down: Tensor
    up: Tensor


@dataclass(frozen=True)
class Expert:
    """A LoRA expert: its change of each Linear layer, by the layer's name in the model."""

    info: ExpertInfo
    layers: Mapping[str, LowRank]

    @property
    def scale(self) -> float:
        return self.info.alpha / self.info.rank

    def to(self, dtype: torch.dtype) -> Expert:
        """The same expert with its factors in `dtype`."""
        layers = {name: LowRank(*(x.to(dtype) for x in pair)) for name, pair in self.layers.items()}
        return Expert(self.info, layers)


def save_expert(expert: Expert, path: Path | str) -> None:
    """Save an expert as safetensors, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for name, layer in expert.layers.items():
        tensors[PREFIX + name + _A] = layer.down
        tensors[PREFIX + name + _B] = layer.up
        tensors[PREFIX + name + _ALPHA] = torch.tensor(expert.info.alpha)
    save_tensors(path, tensors, {EXPERT_METADATA: json.dumps(asdict(expert.info))})


def load_expert(path: Path | str) -> Expert:
    """Load an expert's file.

    Raises CheckpointError when it is missing, damaged, no expert of this pack, or its layers are incomplete.
    """
    file = _opened(path)
    info = _stated_in(file)
    names = [name.removeprefix(PREFIX).removesuffix(_A) for name in file.shapes if name.endswith(_A)]
    if not names:
        raise CheckpointError(
            f"{file.path} is incomplete: it holds no change of any layer; get the file again"
        )
    return Expert(info, {name: _layer(file, name, info.rank) for name in names})


def stated_expert(path: Path | str) -> ExpertInfo:
    """What an expert's file says that it is. Raises CheckpointError when it is missing, damaged, or says nothing."""
    return _stated_in(_opened(path))


def _opened(path: Path | str) -> TensorFile:
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: give the path of an expert's safetensors file")
    return open_tensors(path)


def _stated_in(file: TensorFile) -> ExpertInfo:
    text = file.metadata.get(EXPERT_METADATA)
    if text is None:
        raise CheckpointError(
            f"{file.path} is no X-Dub expert: its metadata does not say at which noise levels it acts. "
            "State them yourself, or load an ordinary LoRA with a LoRA loader"
        )
    what = f"{file.path}: its metadata"
    return stated(ExpertInfo, stated_object(text, what), what, optional=("base",))


def _layer(file: TensorFile, name: str, rank: int) -> LowRank:
    """One layer's factors; CheckpointError where they are not there, or are no matrices of that rank in floats."""
    factors = []
    for end, axis in ((_A, 0), (_B, 1)):
        stored = PREFIX + name + end
        if stored not in file.shapes:
            raise CheckpointError(f"{file.path} is incomplete: it has no {stored}; get the file again")
        shape, dtype = file.shapes[stored], file.dtypes[stored]
        if len(shape) != 2 or shape[axis] != rank or dtype not in FLOATS:
            raise CheckpointError(
                f"{file.path}: {stored} is {list(shape)} in {dtype}, and no factor of rank {rank}; get the file again"
            )
        factors.append(file.read(stored))
    return LowRank(*factors)


def linear_layer(model: nn.Module, name: str, down: Tensor, up: Tensor) -> nn.Module:
    """The layer that a change is for; raises CheckpointError when the model has none such of that size."""
    try:
        module = model.get_submodule(name)
    except AttributeError:
        module = None
    weight = getattr(module, "weight", None)
    if module is None or not isinstance(weight, Tensor) or weight.ndim != 2:
        raise CheckpointError(
            f"this expert changes a layer {name} that the model has not: it belongs to another model"
        )
    if (up.shape[0], down.shape[1]) != tuple(weight.shape):
        raise CheckpointError(
            f"this expert's layer {name} is {up.shape[0]}x{down.shape[1]}, the model's {list(weight.shape)}: "
            "they are of different sizes of the model"
        )
    return module
