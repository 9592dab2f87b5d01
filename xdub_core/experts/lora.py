"""Ordinary LoRAs, which act throughout: added to a model's weights once, before it samples.

Those distilled for Wan2.2-TI2V-5B (FastWan, Turbo) hold more than low-rank products: whole differences of norms,
biases and modulations. All of it is added, and what the model has no place for is told.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.experts.expert import EXPERT_METADATA
from xdub_core.experts.lora_names import LoraNames, Part
from xdub_core.weights.kinds import FLOATS, looks_like, some
from xdub_core.weights.tensor_file import TensorFile, open_tensors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lora:
    """A LoRA's file and how much of it is added: what `--lora FILE[:STRENGTH]` says."""

    path: Path
    strength: float = 1.0

    @classmethod
    def parse(cls, text: str, option: str = "--lora") -> Lora:
        """FILE or FILE:STRENGTH. Raises SettingsError for a strength that is no number."""
        if Path(text).exists() or ":" not in text:
            return cls(Path(text))
        path, _, strength = text.rpartition(":")
        try:
            return cls(Path(path), float(strength))
        except ValueError:
            if len(path) == 1:  # a drive's letter on Windows, and no strength
                return cls(Path(text))
            raise SettingsError(
                f"{option} {text}: give FILE or FILE:STRENGTH, as in turbo.safetensors:0.7"
            ) from None


@dataclass(frozen=True)
class LoraChanges:
    """The tensors of a LoRA's file by the parameter that each changes: their names in the file, by what they are."""

    file: TensorFile
    parts: Mapping[str, Mapping[Part, str]]
    unknown: tuple[str, ...] = ()

    def of(self, parameter: str, shape: torch.Size) -> Tensor:
        """The change of a parameter at strength 1, float32 of `shape`, which must fit (`check_lora`), on the CPU.

        Raises CheckpointError where the file's factors do not fit each other.
        """
        parts = self.parts[parameter]
        change = torch.zeros(shape)
        if Part.DIFFERENCE in parts:
            change += self.file.read(parts[Part.DIFFERENCE]).float().view(shape)
        if Part.UP in parts:
            up, down = (self.file.read(parts[part]).float().flatten(1) for part in (Part.UP, Part.DOWN))
            rank = len(down)
            if up.shape[1] != rank:
                raise CheckpointError(
                    f"{self.file.path}: the factors of {parameter} are {list(up.shape)} and {list(down.shape)}, which "
                    "do not fit each other; get the file again"
                )
            alpha = float(self.file.read(parts[Part.ALPHA])) if Part.ALPHA in parts else float(rank)
            change += alpha / rank * (up @ down).view(shape)
        return change


def read_lora(path: Path | str, parameters: Collection[str]) -> LoraChanges:
    """What a LoRA's file changes of a model with these `parameters`; nothing is read yet.

    Raises CheckpointError where the file is missing, damaged, no LoRA, an expert that must be gated, or lacks a factor.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: give the path of a LoRA's safetensors file")
    file, names = open_tensors(path), LoraNames(parameters)
    if EXPERT_METADATA in file.metadata:
        raise CheckpointError(f"{path} is an expert for some noise levels, not all: give it with --expert")
    parts: dict[str, dict[Part, str]] = {}
    unknown = []
    for name, dtype in file.dtypes.items():
        meaning = names.meaning(name)
        if meaning is None or dtype not in FLOATS:
            unknown.append(name)
        else:
            parts.setdefault(meaning[0], {})[meaning[1]] = name
    parts, alone = _without_lone_factors(path, parts)
    if not parts:
        raise CheckpointError(
            f"{path} changes nothing of this model: give a LoRA for X-Dub or Wan2.2-TI2V-5B (it looks like "
            f"{looks_like(file.shapes, file.dtypes)}, with tensors such as {some(file.shapes)})"
        )
    return LoraChanges(file, parts, (*unknown, *alone))


def _without_lone_factors(
    path: Path, parts: dict[str, dict[Part, str]]
) -> tuple[dict[str, dict[Part, str]], list[str]]:
    """The parts that change something, and the names of those that do not (an alpha of nothing)."""
    for parameter, found in parts.items():
        if (Part.UP in found) != (Part.DOWN in found):
            raise CheckpointError(
                f"{path} has one factor of {parameter} without the other; get the file again"
            )
    alone = {name: found for name, found in parts.items() if found.keys() == {Part.ALPHA}}
    rest = {name: found for name, found in parts.items() if name not in alone}
    return rest, [stored for found in alone.values() for stored in found.values()]


def check_lora(model: nn.Module, lora: Lora) -> LoraChanges:
    """What a LoRA changes of a model, by the names and shapes in its file: nothing is read.

    `model` may be on the meta device. Raises CheckpointError as `read_lora` does, and where a size does not fit.
    """
    weights = dict(model.named_parameters())
    changes = read_lora(lora.path, weights)
    shapes = changes.file.shapes
    for parameter, parts in changes.parts.items():
        wanted = weights[parameter].shape
        found = [shapes[parts[Part.DIFFERENCE]]] if Part.DIFFERENCE in parts else []
        if Part.UP in parts:
            found.append((*shapes[parts[Part.UP]][:1], *shapes[parts[Part.DOWN]][1:]))
        for shape in found:
            if torch.Size(shape).numel() != wanted.numel() or shape[:1] != wanted[:1]:
                raise CheckpointError(
                    f"{lora.path} changes {parameter} by {list(shape)}, the model's is {list(wanted)}: it belongs to "
                    "another model, or another size of it"
                )
    return changes


@torch.no_grad()
def add_lora(model: nn.Module, lora: Lora) -> int:
    """Add a LoRA to a model's weights, in float32 and rounded once; returns how many parameters changed.

    Parameters are replaced and not written into, for they may be a mapped file's. Tensors that the model has no place
    for are warned of by name. Raises what `check_lora` does, before any weight is changed.
    """
    weights, changes = dict(model.named_parameters()), check_lora(model, lora)
    if changes.unknown:
        logger.warning(
            "%s: %d tensors have no place in this model and are left out: %s",
            lora.path,
            len(changes.unknown),
            ", ".join(changes.unknown),
        )
    for parameter in changes.parts:
        old = weights[parameter]
        change = changes.of(parameter, old.shape).to(old.device)
        _replace(model, parameter, (old.float() + lora.strength * change).to(old.dtype))
    return len(changes.parts)


def _replace(model: nn.Module, name: str, value: Tensor) -> None:
    owner, _, last = name.rpartition(".")
    module = model.get_submodule(owner)
    kept = module.get_parameter(last)
    setattr(module, last, nn.Parameter(value, requires_grad=kept.requires_grad))
