"""The small LTX-2 of ltx.py in files as artists have them, for a server; and a node in place of its text encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from ltx import (
    HEADS,
    TEXT_WIDTH,
    WIDTH,
    audio_vae_state,
    source,
    transformer_state,
    upscaler_state,
    video_vae_state,
)
from safetensors.torch import save_file

TINY = {"19b": "2.0", "22b": "2.3"}
"""What the published files of each version have in their names."""
WORDS_NODE = '''
import torch


class Words:
    """What is used of a CLIP: a text becomes random embeddings of its own."""

    def __init__(self, width):
        self.width = width

    def tokenize(self, text, **options):
        return text

    def encode_from_tokens_scheduled(self, text):
        generator = torch.Generator().manual_seed(sum(text.encode()))
        return [[torch.randn(1, 5, self.width, generator=generator), {}]]


class TestWords:
    RETURN_TYPES, FUNCTION, CATEGORY = ("CLIP",), "make", "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"width": ("INT", {"default": 48, "max": 4096})}}

    def make(self, width):
        return (Words(width),)


NODE_CLASS_MAPPINGS = {"TestWords": TestWords}
'''
"""Gemma 3 has 12 billion weights whatever a file says: this stands in for it, and for nothing else."""


def write_words_node(custom_nodes: Path) -> None:
    """Before the server starts."""
    folder = custom_nodes / "words-for-tests"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(WORDS_NODE, encoding="utf-8")


def write_models(models: Path) -> None:
    """A checkpoint and a LoRA of both versions, and an upscaler."""
    for folder in ("checkpoints", "loras", "latent_upscale_models"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    for version in TINY.values():
        state, config = {}, {}
        for (weights, own), prefixes in (
            (transformer_state(version, layers=1), {"": "model.diffusion_model."}),
            (video_vae_state(), {"": "vae."}),
            (audio_vae_state(), {"autoencoder.": "audio_vae.", "vocoder.": "vocoder."}),
        ):
            config |= own
            for name, value in weights.items():
                before = next(prefix for prefix in prefixes if name.startswith(prefix))
                state[prefixes[before] + name.removeprefix(before)] = value
        metadata = {"config": json.dumps(config)}
        save_file(state, models / "checkpoints" / f"tiny-{version}.safetensors", metadata=metadata)
        save_file(_lora(), models / "loras" / f"tiny-{version}.safetensors")
    state, config = upscaler_state()
    metadata = {"config": json.dumps(config)}
    save_file(state, models / "latent_upscale_models" / "tiny.safetensors", metadata=metadata)


def write_talk(path: Path, frames: int = 25) -> None:
    """A video of noise with sound."""
    source(frames, width=80, height=64).save_to(str(path))


def with_tiny_models(prompt: dict[str, Any]) -> dict[str, Any]:
    """The same workflow with these files, and the node in place of the text encoder."""
    version = next(version for name, version in TINY.items() if name in json.dumps(prompt))
    file = f"tiny-{version}.safetensors"
    names = {"ckpt_name": file, "lora_name": file, "model_name": "tiny.safetensors", "file": "talk.mp4"}
    for node in prompt.values():
        if node["class_type"] == "LTXAVTextEncoderLoader":
            node |= {"class_type": "TestWords", "inputs": {"width": TEXT_WIDTH[version]}}
        node["inputs"] |= {name: value for name, value in names.items() if name in node["inputs"]}
    return prompt


def _lora() -> dict[str, torch.Tensor]:
    """On a query of the picture's self-attention."""
    generator = torch.Generator().manual_seed(8)
    layer = "diffusion_model.transformer_blocks.0.attn1.to_q"
    down, up = torch.randn(2, WIDTH, generator=generator), torch.randn(WIDTH, 2, generator=generator)
    return {f"{layer}.lora_A.weight": down / WIDTH**0.5, f"{layer}.lora_B.weight": up / HEADS}
