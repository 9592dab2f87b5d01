"""Stage I's G_mask: the DiT that paints the masked mouth, used only to make training pairs (paper section 3.1).

    [0, z_ref]  ++  [z_bg, z_t]        channels in brackets, ++ along frames        -> velocity of the target

The references are single frames. They get frame positions of their own before the clip and, like the editor's
reference, are shifted in space (the paper leaves their position open; so the editor can start from the generator's
weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from xdub_core.model.dit import ClipConstants, XDubDiT
from xdub_core.model.residual import Residual
from xdub_core.sampling.denoiser import ClipDenoiser, ThreeBranches
from xdub_core.training.conditions import Conditions

REFERENCE_FRAMES = 4
"""N, where quality saturates (appendix B.2, table 6)."""


def inpaint(
    dit: XDubDiT,
    latents: Tensor,
    timestep: Tensor,
    conditions: Conditions,
    motion_latents: int = 0,
    audio_attention: bool = True,
) -> Tensor:
    """G_mask's velocity of `latents` [batch, channels, frames, height, width]; `timestep`: [batch] in 0..1000.

    `conditions.background` is shaped like `latents`; `conditions.reference` is [batch, channels, N, height, width].
    """
    assert conditions.background is not None  # the generator's conditions have one
    stills = conditions.reference
    constants = dit.prepare(
        conditions.context, conditions.audio, latents.shape, reference_stills=stills.shape[2]
    )
    constants = constants if audio_attention else constants.without_audio()
    return masked_velocity(dit, conditions.background, latents, stills, timestep, constants, motion_latents)


def masked_velocity(
    dit: XDubDiT,
    background: Tensor,
    latents: Tensor,
    stills: Tensor,
    timestep: Tensor,
    constants: ClipConstants,
    motion_latents: int,
) -> Tensor:
    """G_mask's velocity of `latents`; those of several branches, one after the other, share a batch's `background`."""
    background = background.to(latents).repeat(len(latents) // len(background), 1, 1, 1, 1)
    residual = Residual.of(latents, background, timestep, motion_latents) if dit.config.residual else None
    noised = latents if residual is None else residual.noised.to(latents)
    stills = stills.to(latents)
    reference = torch.cat([torch.zeros_like(stills), stills], dim=1)
    sequence = torch.cat([reference, torch.cat([background, noised], dim=1)], dim=2)
    output = dit.output(sequence, timestep, constants, motion_latents)
    return output if residual is None else residual.velocity(output).to(latents)


@dataclass(frozen=True)
class GeneratorDenoiser:
    """G_mask as a denoiser for `sample_clip`: the "reference" latents it is given are the masked clip's.

    `references`: [batch, channels, N, height, width]. Any batch size.
    """

    model: XDubDiT
    context: Tensor
    references: Tensor

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        return ThreeBranches(
            self.model,
            partial(masked_velocity, self.model, reference),
            self.context,
            self.references,
            audio,
            motion_latents,
            reference_stills=self.references.shape[2],
        )
