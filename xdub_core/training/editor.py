"""Stage II's G_free: the mask-free editor, which is the model that dubs (paper section 3.2)."""

from __future__ import annotations

from torch import Tensor

from xdub_core.model.dit import XDubDiT
from xdub_core.training.conditions import Conditions


def edit(
    dit: XDubDiT,
    latents: Tensor,
    timestep: Tensor,
    conditions: Conditions,
    motion_latents: int = 0,
    audio_attention: bool = True,
) -> Tensor:
    """G_free's velocity; `conditions.reference` is shaped like `latents` (paper section 3.2)."""
    constants = dit.prepare(conditions.context, conditions.audio, latents.shape)
    constants = constants if audio_attention else constants.without_audio()
    return dit(latents, conditions.reference, timestep, constants, motion_latents)
