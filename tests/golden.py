"""Finding and reading golden files: shared by the tests and the parity program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from xdub_core.model.config import config_from_shapes
from xdub_core.model.dit import XDubDiT

SHIPPED = Path(__file__).parent / "goldens"
"""The goldens that come with the project."""
_COMPUTED_TOGETHER = (
    {
        "dit_weights.safetensors",
        "dit_forward.safetensors",
        "audio_projection.safetensors",
        "long_sampling.safetensors",
    },
    {"audio_features.safetensors", "speech_like.wav", "whisper_tiny.pt", "wav2vec2_tiny"},
)
"""Files that make sense with each other only: all of them come from one folder."""


@dataclass(frozen=True)
class Goldens:
    """Golden files by name, each from the first of the `folders` that has it."""

    folders: tuple[Path, ...]

    def __truediv__(self, name: str) -> Path:
        """Where the file (or folder) lies. Skips the test where none has it."""
        import pytest  # the parity program does without

        needed = next((group for group in _COMPUTED_TOGETHER if name in group), {name})
        for folder in self.folders:
            if all((folder / each).exists() for each in needed):
                return folder / name
        pytest.skip(
            f"no golden {name} in {' or '.join(map(str, self.folders))}: set XDUB_GOLDENS to run this test"
        )


@dataclass(frozen=True)
class GoldenDiT:
    """The folder's small DiT and the sizes it was made with."""

    folder: Path | Goldens
    model: XDubDiT
    sizes: dict

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / f"{name}.safetensors")


def golden_dit(folder: Path | Goldens) -> GoldenDiT:
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
