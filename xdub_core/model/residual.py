"""A residual model: its network sees and predicts the difference from the reference."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from xdub_core.model.config import TIMESTEPS


class Residual(NamedTuple):
    """What a residual model's network sees, and the way back: an exact change of variables of the same flow.

    With z_t = (1 - t) z + t noise and the difference d = z - base, z_t - (1 - t) base = (1 - t) d + t noise are d's own
    noised latents. The network predicts d, which is nothing wherever base and target agree; the velocity follows:
    v = noise - z = (noised - d) / t - base. Motion latents are clean (t = 0), and their velocity means nothing.
    """

    noised: Tensor
    base: Tensor
    level: Tensor
    """t, [batch, 1, frames, 1, 1], with 1 for motion latents; all three are float32."""

    @classmethod
    def of(cls, latents: Tensor, base: Tensor, timestep: Tensor, motion_latents: int) -> Residual:
        """`latents` [batch, channels, frames, height, width] at `timestep` [batch] in 0..1000; `base` like them."""
        t = (timestep.float() / TIMESTEPS).view(-1, 1, 1, 1, 1).repeat(1, 1, latents.shape[2], 1, 1)
        t[:, :, :motion_latents] = 0
        noised = latents.float() - (1 - t) * base.float()
        t[:, :, :motion_latents] = 1
        return cls(noised, base.float(), t)

    def velocity(self, difference: Tensor) -> Tensor:
        """The velocity of the latents, float32, from the network's output."""
        return (self.noised - difference.float()) / self.level - self.base
