"""Small models with random weights, or the goldens', in files as artists have them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import folder_paths
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from xdub_core.experts.expert import Expert, ExpertInfo, LowRank, save_expert
from xdub_core.model.config import DiTConfig, config_from_shapes
from xdub_core.model.dit import XDubDiT

RELEASED_HEADS = DiTConfig(
    dim=256,
    heads=2,
    layers=2,
    ffn_dim=96,
    frequency_dim=32,
    text_dim=16,
    audio_dim=20,
    audio_inner_dim=128,
    audio_layers=1,
)
"""Small, with the released model's head dimensions, so that a file without metadata tells everything."""


def put_model(name: str, state: dict, config: DiTConfig | None = None) -> str:
    """Write a checkpoint where Load Diffusion Model finds it, with its sizes in the metadata where they are given."""
    folder = Path(folder_paths.get_folder_paths("diffusion_models")[0])
    folder.mkdir(parents=True, exist_ok=True)
    metadata = None if config is None else {"config": json.dumps({"transformer": {"xdub": asdict(config)}})}
    save_file(state, folder / name, metadata=metadata)
    return name


def random_state(config: DiTConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {name: tensor.detach().clone() for name, tensor in XDubDiT(config).state_dict().items()}


def load_model(name: str, weight_dtype: str = "default"):
    """By core's own Load Diffusion Model."""
    from nodes import UNETLoader

    return UNETLoader().load_unet(name, weight_dtype)[0]


def wide_state(model) -> dict[str, torch.Tensor]:
    """A MODEL's weights, as they are rounded, in float32."""
    return {name: x.detach().float() for name, x in model.model.diffusion_model.state_dict().items()}


def golden_model(goldens: Path):
    path = goldens / "dit_weights.safetensors"
    with safe_open(path, framework="pt") as file:
        sizes = json.loads(file.metadata()["config"])
    state = load_file(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    audio_head_dim = sizes.get("audio_head_dim") or sizes["inter"] // sizes["ah"]
    config = config_from_shapes(shapes, heads=sizes["heads"], audio_head_dim=audio_head_dim)
    return load_model(put_model("golden.safetensors", state, config))


def relative_error(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, as a fraction of the largest expected absolute value."""
    assert result.shape == expected.shape
    return ((result.double() - expected.double()).abs().max() / expected.double().abs().max()).item()


def put_lora(name: str, model, targets: tuple[str, ...], info: ExpertInfo | None, seed: int) -> str:
    """Write a random LoRA for `targets` of a MODEL where the LoRA loaders find it; with `info`, it is an expert."""
    folder = Path(folder_paths.get_folder_paths("loras")[0])
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    layers, rank = {}, 4 if info is None else info.rank
    for target in targets:
        rows, columns = model.model.diffusion_model.get_submodule(target).weight.shape
        down = torch.randn(rank, columns, generator=generator) / columns**0.5
        layers[target] = LowRank(down, torch.randn(rows, rank, generator=generator) / rank**0.5)
    if info is not None:
        save_expert(Expert(info, layers), folder / name)
        return name
    pairs = {f"diffusion_model.{n}.lora_A.weight": pair.down for n, pair in layers.items()}
    pairs |= {f"diffusion_model.{n}.lora_B.weight": pair.up for n, pair in layers.items()}
    save_file(pairs, folder / name)
    return name
