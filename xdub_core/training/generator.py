"""Stage I's G_mask: the DiT that paints the masked mouth, used only to make training pairs (paper section 3.1).

    [0, z_ref]  ++  [z_bg, z_t]        channels in brackets, ++ along frames        -> velocity of the target

The references are single frames. They get frame positions of their own before the clip and, like the editor's
reference, are shifted in space (the paper leaves their position open; so the editor can start from the generator's
weights).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xdub_core.model.dit import ClipConstants, Residual, XDubDiT
from xdub_core.sampling.denoiser import ALL, ClipDenoiser, Weights
from xdub_core.sampling.guidance import Velocities
from xdub_core.sampling.schedule import TIMESTEPS
from xdub_core.training.conditions import Conditions

REFERENCE_FRAMES = 4
"""N, where quality saturates (appendix B.2, table 6)."""


def inpaint(
    dit: XDubDiT,
    latents: Tensor,
    timestep: Tensor,
    conditions: Conditions,
    motion_latents: int = 0,
    hear: bool = True,
) -> Tensor:
    """G_mask's velocity of `latents` [batch, channels, frames, height, width]; `timestep`: [batch] in 0..1000.

    `conditions.background` is shaped like `latents`; `conditions.reference` is [batch, channels, N, height, width].
    """
    constants = dit.prepare(
        conditions.context, conditions.audio, latents.shape, reference_stills=conditions.reference.shape[2]
    )
    constants = constants if hear else constants.without_audio()
    return _velocity(dit, latents, timestep, conditions, constants, motion_latents)


def _velocity(
    dit: XDubDiT,
    latents: Tensor,
    timestep: Tensor,
    conditions: Conditions,
    constants: ClipConstants,
    motion_latents: int,
) -> Tensor:
    assert conditions.background is not None  # the generator's conditions have one
    background = conditions.background.to(latents)
    residual = Residual.of(latents, background, timestep, motion_latents) if dit.config.residual else None
    noised = latents if residual is None else residual.noised.to(latents)
    stills = conditions.reference.to(latents)
    reference = torch.cat([torch.zeros_like(stills), stills], dim=1)
    sequence = torch.cat([reference, torch.cat([background, noised], dim=1)], dim=2)
    output = dit.output(sequence, timestep, constants, motion_latents)
    return output if residual is None else residual.velocity(output).to(latents)


@dataclass(frozen=True)
class GeneratorDenoiser:
    """G_mask as a denoiser for `sample_clip`: the "reference" latents it is given are the masked clip's.

    `references`: [batch, channels, N, height, width]. Any batch size; the three branches go as one batch. Without
    `guided` there is one branch, with all conditions, and guidance has no effect.
    """

    model: XDubDiT
    context: Tensor
    references: Tensor
    guided: bool = True

    @torch.inference_mode()
    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        weight = self.model.patch_embedding.weight
        stills = self.references.to(weight)
        conditions = Conditions(self.context.to(weight), audio.to(weight), stills, reference.to(weight))
        if self.guided:
            silence = torch.zeros_like(conditions.audio)
            conditions = replace(
                conditions,
                audio=torch.cat([silence, silence, conditions.audio]),
                reference=torch.cat([torch.zeros_like(stills), stills, stills]),
                background=torch.cat([reference.to(weight)] * 3),
            )
        assert conditions.background is not None
        constants = self.model.prepare(
            conditions.context,
            conditions.audio,
            conditions.background.shape,
            reference_stills=stills.shape[2],
        )
        return GeneratorClip(self.model, conditions, constants, motion_latents)


@dataclass(frozen=True)
class GeneratorClip:
    """A clip's denoiser with one branch of `conditions` after the other, or with one branch alone."""

    model: XDubDiT
    conditions: Conditions
    constants: ClipConstants
    motion_latents: int

    @torch.inference_mode()
    def __call__(self, latents: Tensor, sigma: float, weights: Weights = ALL) -> Velocities:  # noqa: ARG002
        count = len(self.conditions.reference) // len(latents)  # branches: 3, or 1
        branches = torch.cat([latents.to(self.conditions.reference)] * count)
        timestep = torch.full((len(branches),), sigma * TIMESTEPS, device=branches.device)
        velocity = _velocity(
            self.model, branches, timestep, self.conditions, self.constants, self.motion_latents
        )
        found = velocity.to(latents).chunk(count)
        return Velocities(found[0], found[count // 2], found[-1])
