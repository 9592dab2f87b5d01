"""The LoRA: which layers of LTX-2 it changes, how fast each learns, and its file, which ComfyUI's own loader takes.

    diffusion_model.transformer_blocks.<n>.<layer>.lora_A.weight   [rank, in]
    diffusion_model.transformer_blocks.<n>.<layer>.lora_B.weight   [out, rank]

Without an alpha the change of a weight is B A. The metadata says in which layout of the context it was trained
(`xdub_core.dub_it.layouts`), which Dub It checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from xdub_core.dub_it.layouts import DOWNSCALE_KEY, LAYOUT_KEY, VERSION_KEY, Layout
from xdub_core.experts.adapters import LowRankLayers, new_layers
from xdub_core.experts.expert import PREFIX, LowRank
from xdub_core.weights.tensor_file import save_tensors

TARGETS = (
    r"transformer_blocks\.\d+\.("
    r"((audio_)?attn[12]|audio_to_video_attn|video_to_audio_attn)\.to_(q|k|v|out\.0)"
    r"|(audio_)?ff\.net\.(0\.proj|2))"
)
"""Attention and feed-forward of both streams, 28 layers a block (A.3)."""
OF_AUDIO = r"transformer_blocks\.\d+\.(audio_attn[12]|audio_ff|video_to_audio_attn)\..*"
"""Those that write into the stream of sound, and learn more slowly."""
_TEMPORAL_SCALE_KEY = "reference_temporal_scale_factor"


def new_lora(transformer: nn.Module, rank: int, seed: int = 0) -> LowRankLayers:
    """An untrained LoRA for a module with LTX-2's names. Raises SettingsError where it has none of them."""
    return LowRankLayers(new_layers(transformer, rank, TARGETS, seed))


def count_parameters(transformer: nn.Module, rank: int) -> int:
    """How many parameters `new_lora` has."""
    weights = (
        module.get_parameter("weight")
        for name, module in transformer.named_modules()
        if re.fullmatch(TARGETS, name)
    )
    return sum(rank * sum(weight.shape) for weight in weights)


def audio_rates(lora: LowRankLayers, prefix: str, rate: float) -> dict[str, float]:
    """`rate` for each of the LoRA's parameters that learn sound, by its name, which begins with `prefix`."""
    return {
        f"{prefix}layers.{number}.{factor}": rate
        for number, name in enumerate(lora.names)
        if re.fullmatch(OF_AUDIO, name)
        for factor in LowRank._fields
    }


def save_lora(
    path: Path,
    lora: LowRankLayers,
    layout: Layout,
    version: str,
    dtype: torch.dtype = torch.bfloat16,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write a LoRA trained in that layout on that version of LTX-2, whole or not at all; `about`: more metadata."""
    tensors: dict[str, Tensor] = {}
    for name, layer in zip(lora.names, lora.pairs, strict=True):
        # One at a time to the CPU: beside a transformer there may be no room for a second LoRA.
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layer.down.detach().to("cpu", dtype)
        tensors[f"{PREFIX}{name}.lora_B.weight"] = layer.up.detach().to("cpu", dtype)
    stated = {LAYOUT_KEY: layout.name, VERSION_KEY: version, DOWNSCALE_KEY: "1", _TEMPORAL_SCALE_KEY: "1"}
    save_tensors(path, tensors, {**(about or {}), **stated})
