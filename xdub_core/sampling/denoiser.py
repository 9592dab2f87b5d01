"""Denoisers: what predicts the three velocities of a step. A host may bring its own (ComfyUI wraps its MODEL)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from xdub_core.audio.windows import ROWS_PER_FRAME
from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT, TIMESTEPS, DiTConfig
from xdub_core.model.dit import BlockRunner, ClipConstants, XDubDiT
from xdub_core.sampling.guidance import BranchWeights, Velocities
from xdub_core.vae.grid import LatentGrid

ALL: BranchWeights = (1.0, 1.0, 1.0)
"""All three are wanted."""


@dataclass(frozen=True)
class LatentNeeds:
    """The latents that a model takes: their `channels`, `temporal` frames in each, in whole patches."""

    channels: int
    temporal: int
    patch: tuple[int, int, int]

    def misfit(self, grid: LatentGrid) -> str:
        """What is wrong with latents on this grid, as the end of a sentence about them; empty where nothing is."""
        if grid.channels != self.channels:
            return f"have {grid.channels} channels, but the model takes {self.channels}"
        if grid.temporal != self.temporal:
            return f"hold {grid.temporal} frames each, but the model's hold {self.temporal}"
        return ""


def needs_of(model: object) -> LatentNeeds | None:
    """What a denoiser, or what is made of one, says in its attribute `needs`; None where it takes any latents."""
    return getattr(model, "needs", None)


def dit_needs(config: DiTConfig) -> LatentNeeds:
    """What a DiT of these sizes takes."""
    return LatentNeeds(config.latent_channels, AUDIO_TOKENS_PER_LATENT // ROWS_PER_FRAME, config.patch)


BranchVelocity = Callable[[Tensor, Tensor, Tensor, ClipConstants, int], Tensor]
"""A DiT's call: (latents, reference, timestep in 0..1000, constants, motion latents) -> velocity. The first three are
of some branches, one batch after the other. `XDubDiT` itself is called so."""


class ClipDenoiser(Protocol):
    """Predicts the velocities of one clip, or of several that are sampled together."""

    def __call__(self, latents: Tensor, sigma: float, weights: BranchWeights = ALL) -> Velocities:
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


@dataclass
class DenoiserOnDemand:
    """A denoiser that is loaded for the first clip that is sampled: where all are kept, none is.

    `needs`: of the denoiser that `load` gives.
    """

    load: Callable[[], Denoiser]
    needs: LatentNeeds | None = None
    _loaded: Denoiser | None = field(default=None, init=False, repr=False)

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        if self._loaded is None:
            self._loaded = self.load()
        return self._loaded.for_clip(reference, audio, motion_latents)


@dataclass(frozen=True)
class DiTDenoiser:
    """The DiT as a denoiser, on its own device and dtype.

    `context`: the embedded empty prompt, [1, text tokens, text_dim]. With `batched`, the branches that count go
    through the model as one batch; without, one after the other: a third of the memory for activations, a little
    slower. `run_block`: see `XDubDiT.output`, such as a `BlockOffload`; blocks then make their own keys and values.
    `merge_text`: see `XDubDiT.prepare`; without, the sums are rounded as the release's are.
    """

    model: XDubDiT
    context: Tensor
    batched: bool = True
    run_block: BlockRunner | None = None
    merge_text: bool = True

    @property
    def needs(self) -> LatentNeeds:
        return dit_needs(self.model.config)

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        return ThreeBranches(
            self.model,
            self.model if self.run_block is None else partial(self.model, run_block=self.run_block),
            self.context,
            reference,
            audio,
            motion_latents,
            batched=self.batched,
            by_block=self.run_block is not None,
            merge_text=self.merge_text,
        )


class ThreeBranches:
    """The three predictions of a DiT's clip: without its reference and audio, with the reference alone, with both.

    `predict` calls the `model`, whose weights' dtype and device are the clip's; what a branch is not given is zeros.
    Branches that do not count are not computed, and those of a group go through the model as one batch. They go by
    their place in `Velocities`.

    What no step changes is kept by which branches of a group are given the audio: two that are not share it, and all
    share the text's keys and values. `reference_stills`, `by_block`: see `XDubDiT.prepare`.
    """

    def __init__(
        self,
        model: XDubDiT,
        predict: BranchVelocity,
        context: Tensor,
        reference: Tensor,
        audio: Tensor,
        motion_latents: int,
        *,
        reference_stills: int | None = None,
        batched: bool = True,
        by_block: bool = False,
        merge_text: bool = True,
    ) -> None:
        weight = model.patch_embedding.weight
        self.model, self.predict = model, predict
        self.context, self.reference, self.audio = (x.to(weight) for x in (context, reference, audio))
        self.motion_latents, self.reference_stills, self.batched = motion_latents, reference_stills, batched
        self.by_block = by_block
        self.merge_text = merge_text
        self.prepared: dict[tuple[bool, ...], ClipConstants] = {}

    @torch.inference_mode()
    def __call__(self, latents: Tensor, sigma: float, weights: BranchWeights = ALL) -> Velocities:
        velocities = [torch.zeros_like(latents)] * len(weights)
        wanted = tuple(number for number, weight in enumerate(weights) if weight)
        for group in [wanted] if self.batched else [(number,) for number in wanted]:
            noised = latents.to(self.audio).repeat(len(group), 1, 1, 1, 1)
            predicted = self.predict(
                noised,
                torch.cat([self.reference * (number >= 1) for number in group]),
                torch.full((len(noised),), sigma * TIMESTEPS, device=noised.device),
                self._constants(tuple(number >= 2 for number in group), noised.shape),
                self.motion_latents,
            )
            for number, velocity in zip(group, predicted.to(latents).chunk(len(group)), strict=True):
                velocities[number] = velocity
        return Velocities(*velocities)

    def _constants(self, with_audio: tuple[bool, ...], shape: torch.Size) -> ClipConstants:
        """Those of a group of branches, by which of them are given the audio; computed when they are first wanted."""
        if with_audio not in self.prepared:
            audio = torch.cat([self.audio * given for given in with_audio])
            text = next(iter(self.prepared.values())).text if self.prepared else None
            self.prepared[with_audio] = self.model.prepare(
                self.context,
                audio,
                shape,
                self.reference_stills,
                text=text,
                by_block=self.by_block,
                merge_text=self.merge_text,
            )
        return self.prepared[with_audio]
