"""Reading golden folders: shared by the tests and the parity program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from xdub_core.model.config import config_from_shapes
from xdub_core.model.dit import XDubDiT


@dataclass(frozen=True)
class GoldenDiT:
    """The folder's small DiT and the sizes it was made with."""

    folder: Path
    model: XDubDiT
    sizes: dict

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / f"{name}.safetensors")


def golden_dit(folder: Path) -> GoldenDiT:
    path = folder / "dit_weights.safetensors"
    sizes = json.loads(golden_metadata(path)["config"])
    state = load_file(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    audio_head_dim = sizes.get("audio_head_dim") or sizes["inter"] // sizes["ah"]
    config = config_from_shapes(shapes, heads=sizes["heads"], audio_head_dim=audio_head_dim)
    model = XDubDiT(config)
    model.load_state_dict(state)
    return GoldenDiT(folder, model.eval().requires_grad_(False), sizes)


def golden_metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def relative_error(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, as a fraction of the largest expected absolute value."""
    if result.shape != expected.shape:
        raise ValueError(f"shape {list(result.shape)}, expected {list(expected.shape)}")
    return ((result.double() - expected.double()).abs().max() / expected.double().abs().max()).item()
