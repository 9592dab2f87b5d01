"""The ablation "w/ channel concat" (paper section 4.3, table 4): an editor whose reference is concatenated along
channels with the noised target, frame on frame, instead of along frames. Its model has a background's channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.denoiser import ClipDenoiser, ThreeBranches
from xdub_core.training.conditions import Conditions
from xdub_core.training.generator import inpaint, masked_velocity


def edit_channelwise(
    dit: XDubDiT,
    latents: Tensor,
    timestep: Tensor,
    conditions: Conditions,
    motion_latents: int = 0,
    audio_attention: bool = True,
) -> Tensor:
    """The velocity; `conditions.reference` is shaped like `latents`."""
    reference = conditions.reference
    beside = replace(conditions, background=reference, reference=reference[:, :, :0])
    return inpaint(dit, latents, timestep, beside, motion_latents, audio_attention)


@dataclass(frozen=True)
class ChannelwiseDenoiser:
    """The ablation's editor as a denoiser."""

    model: XDubDiT
    context: Tensor

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        def velocity(latents: Tensor, reference: Tensor, *step: Any) -> Tensor:
            """The reference video in the background's place, and no frames before the clip."""
            return masked_velocity(self.model, reference, latents, reference[:, :, :0], *step)

        return ThreeBranches(
            self.model, velocity, self.context, reference, audio, motion_latents, reference_stills=0
        )
