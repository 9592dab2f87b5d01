"""The ablation "w/ channel concat" (paper section 4.3, table 4): an editor whose reference is concatenated along
channels with the noised target, frame on frame, instead of along frames. Its model has a background's channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.denoiser import ClipDenoiser
from xdub_core.training.conditions import Conditions
from xdub_core.training.generator import GeneratorClip, inpaint


def edit_channelwise(
    dit: XDubDiT,
    latents: Tensor,
    timestep: Tensor,
    conditions: Conditions,
    motion_latents: int = 0,
    hear: bool = True,
) -> Tensor:
    """The velocity; `conditions.reference` is shaped like `latents`."""
    return inpaint(dit, latents, timestep, _as_background(conditions), motion_latents, hear)


@dataclass(frozen=True)
class ChannelwiseDenoiser:
    """The ablation's editor as a denoiser."""

    model: XDubDiT
    context: Tensor

    @torch.inference_mode()
    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        weight = self.model.patch_embedding.weight
        reference, audio = reference.to(weight), audio.to(weight)
        silence = torch.zeros_like(audio)
        conditions = _as_background(
            Conditions(
                context=self.context.to(weight),
                audio=torch.cat([silence, silence, audio]),
                reference=torch.cat([torch.zeros_like(reference), reference, reference]),
            )
        )
        constants = self.model.prepare(
            conditions.context,
            conditions.audio,
            (3 * len(reference), *reference.shape[1:]),
            reference_stills=0,
        )
        return GeneratorClip(self.model, conditions, constants, motion_latents)


def _as_background(conditions: Conditions) -> Conditions:
    """The reference video in the background's place, and no frames before the clip."""
    return replace(conditions, background=conditions.reference, reference=conditions.reference[:, :, :0])
