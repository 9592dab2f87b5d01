"""Denoisers: what predicts the three velocities of a step. A host may bring its own (ComfyUI wraps its MODEL)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from xdub_core.audio.windows import ROWS_PER_FRAME
from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT, DiTConfig
from xdub_core.model.dit import ClipConstants, XDubDiT
from xdub_core.sampling.guidance import Velocities
from xdub_core.sampling.schedule import TIMESTEPS

Weights = tuple[float, float, float]
"""What each of the `Velocities` counts for in a step, in their order; see `Guidance.weights`."""
ALL: Weights = (1.0, 1.0, 1.0)
"""All three are wanted."""


@dataclass(frozen=True)
class LatentNeeds:
    """The latents that a model takes: their channels, rows and columns by `step`, and `frames` of video in each."""

    channels: int
    step: int
    frames: int


def needs_of(model: object) -> LatentNeeds | None:
    """What a denoiser, or what is made of one, says in its attribute `needs`; None where it takes any latents."""
    return getattr(model, "needs", None)


def dit_needs(config: DiTConfig) -> LatentNeeds:
    """What a DiT of these sizes takes."""
    return LatentNeeds(
        config.latent_channels, math.lcm(*config.patch[1:]), AUDIO_TOKENS_PER_LATENT // ROWS_PER_FRAME
    )


class ClipDenoiser(Protocol):
    """Predicts the velocities of one clip, or of several that are sampled together."""

    def __call__(self, latents: Tensor, sigma: float, weights: Weights = ALL) -> Velocities:
        """`latents`: [batch, channels, frames, height, width] at noise level `sigma`, float32 -> float32 velocities.

        `weights`: what each of them will count for (`Guidance.weights`). One of 0 may come back as zeros.
        """
        ...


class Denoiser(Protocol):
    """Makes a clip's denoiser, computing what stays constant through its steps. May have `needs`, see `needs_of`."""

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        """`reference`: clean latents [batch, channels, frames, height, width]; `audio`: [batch, frames, 8, audio_dim].

        A dub samples clips one at a time; pairs for training are sampled in batches.
        """
        ...


@dataclass(frozen=True)
class DiTDenoiser:
    """The DiT as a denoiser, on its own device and dtype.

    `context`: the embedded empty prompt, [1, text tokens, text_dim]. With `batched`, the branches that count go
    through the model as one batch; without, one after the other: a third of the memory for activations, a little
    slower.
    """

    model: XDubDiT
    context: Tensor
    batched: bool = True

    @property
    def needs(self) -> LatentNeeds:
        return dit_needs(self.model.config)

    @torch.inference_mode()
    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        weight = self.model.patch_embedding.weight
        reference, audio, context = (x.to(weight) for x in (reference, audio, self.context))
        return _DiTClip(self.model, context, reference, audio, motion_latents, self.batched)


@dataclass(frozen=True)
class _DiTClip:
    """Branches go by their place in `Velocities`, and those of a group through the model as one batch.

    What no step changes is kept by what the branches of a group hear: two that hear nothing share it, and all share
    the text's keys and values.
    """

    model: XDubDiT
    context: Tensor
    reference: Tensor
    audio: Tensor
    motion_latents: int
    batched: bool
    prepared: dict[tuple[bool, ...], ClipConstants] = field(default_factory=dict)

    @torch.inference_mode()
    def __call__(self, latents: Tensor, sigma: float, weights: Weights = ALL) -> Velocities:
        velocities = [torch.zeros_like(latents)] * len(weights)
        wanted = tuple(number for number, weight in enumerate(weights) if weight)
        for group in [wanted] if self.batched else [(number,) for number in wanted]:
            reference = torch.cat([self.reference * (number >= 1) for number in group])
            predicted = self.model(
                latents.to(reference).repeat(len(group), 1, 1, 1, 1),
                reference,
                torch.full((len(reference),), sigma * TIMESTEPS, device=reference.device),
                self._constants(tuple(number >= 2 for number in group)),
                self.motion_latents,
            )
            for number, velocity in zip(group, predicted.to(latents).chunk(len(group)), strict=True):
                velocities[number] = velocity
        return Velocities(*velocities)

    def _constants(self, hearing: tuple[bool, ...]) -> ClipConstants:
        """Those of a group of branches that hear the speech or nothing, computed when they are first wanted."""
        if hearing not in self.prepared:
            audio = torch.cat([self.audio * heard for heard in hearing])
            shape = (len(audio), *self.reference.shape[1:])
            text = next(iter(self.prepared.values())).text if self.prepared else None
            self.prepared[hearing] = self.model.prepare(self.context, audio, shape, text=text)
        return self.prepared[hearing]
