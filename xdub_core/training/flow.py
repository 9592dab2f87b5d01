"""Flow matching: noising, the weighted loss, and one-step denoising (paper Eq. 1, 4, 5, 12)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TRUNCATION = 0.6
"""t_thres of Eq. 3 and 12 (appendix C.1)."""


@dataclass(frozen=True)
class NoisedTarget:
    """A training target at noise level `t`.

    `clean`, `latents` (z_t) and `velocity` (v = noise - clean): [batch, channels, frames, height, width]; `t`:
    [batch]. The first `motion_latents` frames of `latents` are clean.
    """

    clean: Tensor
    latents: Tensor
    velocity: Tensor
    t: Tensor
    motion_latents: int = 0


def noise_target(
    clean: Tensor, noise: Tensor, t: Tensor, motion_latents: int = 0, motion_noise: Tensor | None = None
) -> NoisedTarget:
    """Eq. 4: z_t = (1 - t) z_0 + t noise, but for the leading motion frames, which stay clean (section 3.1).

    `motion_noise`: the deviation [batch] of noise that is added to the motion frames (None: 0).
    """
    level = per_sample(t.to(clean))
    latents = (1 - level) * clean + level * noise
    motion = clean[:, :, :motion_latents]
    if motion_noise is not None:
        motion = motion + per_sample(motion_noise.to(clean)) * noise[:, :, :motion_latents]
    latents = torch.cat([motion, latents[:, :, motion_latents:]], dim=2)
    return NoisedTarget(clean, latents, noise - clean, t.to(clean), motion_latents)


def loss_weights(face: Tensor, lip: Tensor, face_weight: float, lip_weight: float) -> Tensor:
    """Eq. 1: 1 + w M_face + w_lip M_lip. Masks in 0..1, of any one shape."""
    return 1 + face_weight * face + lip_weight * lip


def flow_loss(predicted: Tensor, target: NoisedTarget, weights: Tensor) -> Tensor:
    """Eq. 1: the squared error of the velocity, weighted, averaged over everything that was noised.

    `weights`: [batch, 1, frames, height, width]. Motion frames carry no noise and no loss.
    """
    noised = slice(target.motion_latents, None)
    error = (predicted.float() - target.velocity.float())[:, :, noised].square()
    return (weights[:, :, noised] * error).mean()


def single_step_latents(target: NoisedTarget, predicted: Tensor, threshold: float = TRUNCATION) -> Tensor:
    """Eq. 12: z_0 + (v - v_hat) tau with tau = min(t, threshold): what a step to t = 0 would give, kept stable.

    Only pixel losses see this truncated step; the model itself was given the true t.
    """
    tau = per_sample(target.t.clamp(max=threshold))
    estimate = target.clean + (target.velocity - predicted.float()) * tau
    motion = target.motion_latents
    return torch.cat([target.clean[:, :, :motion], estimate[:, :, motion:]], dim=2)


def per_sample(values: Tensor) -> Tensor:
    """[batch] -> [batch, 1, 1, 1, 1]."""
    return values.view(-1, 1, 1, 1, 1)
