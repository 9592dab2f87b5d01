"""Clips to sample, and sampling them as an artist does: a GUIDER, through SamplerCustomAdvanced."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from comfy_extras.nodes_custom_sampler import Noise_EmptyNoise, Noise_RandomNoise, SamplerCustomAdvanced
from models import RELEASED_HEADS
from safetensors import safe_open
from safetensors.torch import load_file

from xdub_core.sampling.clip_sampling import ClipInputs
from xdub_core.sampling.guidance import Guidance

CONTEXT = torch.randn(1, 3, RELEASED_HEADS.text_dim, generator=torch.Generator().manual_seed(9))


def random_clip(config=RELEASED_HEADS, frames=4, size=6, motion=False, seed=1) -> ClipInputs:
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(shape, generator=generator)

    latent = (1, config.latent_channels, frames, size, size)
    return ClipInputs(
        randn(*latent),
        randn(1, frames, 8, config.audio_dim),
        randn(*latent[:2], 2, size, size) if motion else None,
    )


def sample(guider, sigmas, sampler="euler", seed=1, latents=None, noise=True):
    """Normalised latents [1, C, f, h, w] of the guider's clip; `latents`: raw ones to go on from."""
    from comfy.samplers import sampler_object

    latents = torch.zeros_like(guider.clip.reference) if latents is None else latents
    result = SamplerCustomAdvanced.execute(
        Noise_RandomNoise(seed) if noise else Noise_EmptyNoise(),
        guider,
        sampler_object(sampler),
        sigmas,
        {"samples": latents},
    ).result[0]["samples"]
    return guider.model_patcher.model.process_latent_in(result)


@dataclass(frozen=True)
class GoldenClip:
    inputs: ClipInputs
    noise: torch.Tensor
    latents: torch.Tensor


@dataclass(frozen=True)
class GoldenClips:
    """The goldens' chained clips, and how they were sampled."""

    clips: list[GoldenClip]
    context: torch.Tensor
    guidance: Guidance
    steps: int
    shift: float
    seed: int
    border: int


def golden_clips(goldens) -> GoldenClips:
    path = goldens / "long_sampling.safetensors"
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        facts = {name: json.loads(value) for name, value in file.metadata().items()}
    clips = []
    while (name := f"clip{len(clips)}") + ".noise" in tensors:
        inputs = ClipInputs(
            tensors[f"{name}.ref_latents"],
            tensors[f"{name}.audio_feats"],
            tensors.get(f"{name}.motion_latents"),
        )
        clips.append(GoldenClip(inputs, tensors[f"{name}.noise"], tensors[f"{name}.latents"]))
    return GoldenClips(
        clips,
        tensors["context"],
        Guidance(facts["ref_cfg"], facts["audio_cfg"]),
        facts["steps"],
        facts["shift"],
        facts["seed"],
        facts["border"],
    )
