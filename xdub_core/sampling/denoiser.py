"""Denoisers: what predicts the three velocities of a step. A host may bring its own (ComfyUI wraps its MODEL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from xdub_core.model.dit import ClipConstants, XDubDiT
from xdub_core.sampling.guidance import Velocities
from xdub_core.sampling.schedule import TIMESTEPS


class ClipDenoiser(Protocol):
    """Predicts the velocities of one clip."""

    def __call__(self, latents: Tensor, sigma: float) -> Velocities:
        """`latents`: [1, channels, frames, height, width] at noise level `sigma`, float32 -> float32 velocities."""
        ...


class Denoiser(Protocol):
    """Makes a clip's denoiser, computing what stays constant through its steps."""

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        """`reference`: clean latents [1, channels, frames, height, width]; `audio`: [1, frames, 8, audio_dim]."""
        ...


@dataclass(frozen=True)
class DiTDenoiser:
    """The DiT as a denoiser, on its own device and dtype.

    `context`: the embedded empty prompt, [1, text tokens, text_dim]. With `batched`, the three branches go through
    the model as one batch; without, one after the other: a third of the memory for activations, a little slower.
    """

    model: XDubDiT
    context: Tensor
    batched: bool = True

    @torch.inference_mode()
    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        weight = self.model.patch_embedding.weight
        reference, audio, context = (x.to(weight) for x in (reference, audio, self.context))
        references = torch.cat([torch.zeros_like(reference), reference, reference])
        audios = torch.cat([torch.zeros_like(audio), torch.zeros_like(audio), audio])
        groups = [slice(0, 3)] if self.batched else [slice(0, 1), slice(1, 2), slice(2, 3)]
        branches = tuple(
            _Branch(
                references[group],
                self.model.prepare(context, audios[group], references[group].shape),
            )
            for group in groups
        )
        return _DiTClip(self.model, branches, motion_latents)


@dataclass(frozen=True)
class _Branch:
    references: Tensor
    constants: ClipConstants


@dataclass(frozen=True)
class _DiTClip:
    model: XDubDiT
    branches: tuple[_Branch, ...]
    motion_latents: int

    @torch.inference_mode()
    def __call__(self, latents: Tensor, sigma: float) -> Velocities:
        velocities = [
            self.model(
                latents.to(branch.references).expand_as(branch.references),
                branch.references,
                torch.full((len(branch.references),), sigma * TIMESTEPS, device=branch.references.device),
                branch.constants,
                self.motion_latents,
            ).to(latents)
            for branch in self.branches
        ]
        return Velocities(*torch.cat(velocities).split(1))
