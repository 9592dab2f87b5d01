"""What the names in a LoRA's file mean, whatever trainer or extractor wrote them.

A name is a prefix, a layer in one of three spellings, and what is stored of it:

    diffusion_model.blocks.0.self_attn.q.lora_down.weight      Wan's own names, as ComfyUI and extractors write them
    lora_unet_blocks_0_self_attn_q.lora_down.weight            the same with underscores (kohya)
    transformer.blocks.0.attn1.to_q.lora_A.default.weight      diffusers' names of the same layers
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import Enum

PREFIXES = (
    "base_model.model.diffusion_model.", "model.diffusion_model.", "diffusion_model.", "base_model.model.",
    "transformer.", "model.", "lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_",
)  # fmt: skip


class Part(Enum):
    """What a tensor of a LoRA's file is to its layer."""

    DOWN = "A"
    UP = "B"
    ALPHA = "alpha"
    DIFFERENCE = "difference of the weight"
    BIAS_DIFFERENCE = "difference of the bias"
    MODULATION_DIFFERENCE = "difference of the modulation"


_ENDS: Mapping[str, Part] = {
    **{
        f".lora_{down}{end}": Part.DOWN
        for down in ("A", "down")
        for end in (".weight", ".default.weight", "")
    },
    **{f".lora_{up}{end}": Part.UP for up in ("B", "up") for end in (".weight", ".default.weight", "")},
    **{
        f"{dot}lora{tail}.down.weight": Part.DOWN
        for dot, tail in ((".", ""), ("_", ""), (".", "_linear_layer"))
    },
    **{f"{dot}lora{tail}.up.weight": Part.UP for dot, tail in ((".", ""), ("_", ""), (".", "_linear_layer"))},
    ".alpha": Part.ALPHA,
    ".diff": Part.DIFFERENCE,
    ".diff_b": Part.BIAS_DIFFERENCE,
    ".lora_B.bias": Part.BIAS_DIFFERENCE,
    ".diff_m": Part.MODULATION_DIFFERENCE,
}
_DIFFUSERS = (
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_(q|k|v)$", r".\1"),
    (r"\.to_out\.0$", ".o"),
    (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
    (r"\.ffn\.net\.2$", ".ffn.2"),
    (r"^(blocks\.\d+)\.norm2$", r"\1.norm3"),
    (r"\.scale_shift_table$", ".modulation"),
    (r"^scale_shift_table$", "head.modulation"),
    (r"^condition_embedder\.time_embedder\.linear_1$", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2$", "time_embedding.2"),
    (r"^condition_embedder\.time_proj$", "time_projection.1"),
    (r"^condition_embedder\.text_embedder\.linear_1$", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2$", "text_embedding.2"),
    (r"^proj_out$", "head.head"),
)
"""diffusers' names of Wan's layers, and Wan's own."""


class LoraNames:
    """Finds the parameter of a model that a tensor of a LoRA's file is about; `parameters`: the model's names."""

    def __init__(self, parameters: Collection[str]) -> None:
        self._parameters = frozenset(parameters)
        layers = {name.removesuffix(".weight") for name in parameters if name.endswith(".weight")}
        layers |= {name for name in parameters if not name.endswith((".weight", ".bias"))}
        self._layers = frozenset(layers)
        self._underscored = {layer.replace(".", "_"): layer for layer in layers}

    def meaning(self, name: str) -> tuple[str, Part] | None:
        """(parameter, what of it) of a tensor's name; None where it is of no layer that the model has."""
        for end in sorted(_ENDS, key=len, reverse=True):
            if name.endswith(end):
                return self._parameter(name.removesuffix(end), _ENDS[end])
        return None

    def _parameter(self, stored: str, part: Part) -> tuple[str, Part] | None:
        for bare in (stored, *(stored.removeprefix(each) for each in PREFIXES if stored.startswith(each))):
            if part is Part.MODULATION_DIFFERENCE and f"{bare}.modulation" in self._parameters:
                return f"{bare}.modulation", Part.DIFFERENCE
            layer = self._layer(bare)
            if layer is None:
                continue
            parameter = layer if layer in self._parameters else f"{layer}.weight"
            if part is not Part.BIAS_DIFFERENCE:
                return parameter, part
            return (f"{layer}.bias", Part.DIFFERENCE) if f"{layer}.bias" in self._parameters else None
        return None

    def _layer(self, bare: str) -> str | None:
        if bare in self._layers:
            return bare
        if bare in self._underscored:
            return self._underscored[bare]
        own = bare
        for pattern, replacement in _DIFFUSERS:
            own = re.sub(pattern, replacement, own)
        return own if own in self._layers else None
