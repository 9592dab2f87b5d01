"""Sampling one clip: Euler steps along the guided velocity (released model §4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from xdub_core.errors import SamplingError, SettingsError
from xdub_core.sampling.border_lock import BorderLock
from xdub_core.sampling.denoiser import Denoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.schedule import SHIFT, check_schedule, flow_sigmas

SEEDS = range(-(2**63), 2**64)
"""What PyTorch's generators take."""

StepCallback = Callable[[int, int, Tensor], None]
"""Called after each step with (steps done, steps in all, latents). It may raise to interrupt."""


@dataclass(frozen=True)
class SamplerSettings:
    """How a clip is sampled. `seed` makes the same noise for every clip; `border` is in latent pixels.

    Raises SettingsError for steps below 1, a shift that is not positive, or a seed that PyTorch does not take.
    """

    steps: int = 30
    guidance: Guidance = field(default_factory=Guidance)
    shift: float = SHIFT
    seed: int = 42
    border: int = 1

    def __post_init__(self) -> None:
        check_schedule(self.steps, self.shift)
        if self.seed not in SEEDS:
            raise SettingsError(
                f"a seed of {self.seed}: use a whole number from {SEEDS.start} to {SEEDS.stop - 1}"
            )


@dataclass(frozen=True)
class ClipInputs:
    """What a clip is made from.

    `reference`: clean latents of the source crops [1, channels, frames, height, width]; `audio`: windows
    [1, frames, 8, audio_dim]; `motion`: latents of the last frames of the clip before, [1, channels, 2, height,
    width], or None for a first clip.
    """

    reference: Tensor
    audio: Tensor
    motion: Tensor | None = None

    @property
    def motion_latents(self) -> int:
        return 0 if self.motion is None else self.motion.shape[2]


class ClipSampler(Protocol):
    """Samples clips, one after the other. A host may bring its own (ComfyUI's runs any of its samplers)."""

    @property
    def steps(self) -> int:
        """Steps per clip."""
        ...

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:
        """The latents of clip `number` (counted from 0 over the whole dub), float32, like `clip.reference`."""
        ...


@dataclass(frozen=True)
class EulerSampler:
    """Euler steps with a denoiser's velocities, as the release does it."""

    denoiser: Denoiser
    settings: SamplerSettings

    @property
    def steps(self) -> int:
        return self.settings.steps

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:  # noqa: ARG002
        return sample_clip(self.denoiser, clip, self.settings, on_step)


def clip_noise(shape: torch.Size | tuple[int, ...], seed: int) -> Tensor:
    """The initial noise, float32 on the CPU, so that a seed means the same on every machine."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))


def sample_clip(
    denoiser: Denoiser,
    clip: ClipInputs,
    settings: SamplerSettings,
    on_step: StepCallback | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Sample a clip's latents, float32, shaped like `clip.reference`. `noise` overrides the seed's.

    Motion latents are held clean throughout; the border is locked to the reference before every step and at the end.

    Raises SamplingError when latents become NaN or infinite, or sizes do not fit the model.
    """
    reference = _finite(clip.reference.float(), "the reference latents")
    if noise is None:
        noise = clip_noise(reference.shape, settings.seed)
    noise = noise.to(reference)
    border = BorderLock(reference, noise, settings.border, free_frames=clip.motion_latents)
    denoise = denoiser.for_clip(reference, _finite(clip.audio, "the audio features"), clip.motion_latents)

    sigmas = flow_sigmas(settings.steps, settings.shift)
    x = _with_motion(noise, clip)
    for step in range(settings.steps):
        sigma, next_sigma = sigmas[step].item(), sigmas[step + 1].item()
        x = border.apply(x, sigma)
        velocity = settings.guidance.combine(denoise(x, sigma, settings.guidance.weights(sigma)), sigma)
        x = _with_motion(x + (next_sigma - sigma) * velocity, clip)
        _finite(x, f"the latents of step {step + 1}")
        if on_step is not None:
            on_step(step + 1, settings.steps, x)
    return border.apply(x, 0.0)


def _with_motion(latents: Tensor, clip: ClipInputs) -> Tensor:
    if clip.motion is None:
        return latents
    return torch.cat([clip.motion.to(latents), latents[:, :, clip.motion_latents :]], dim=2)


def _finite(x: Tensor, what: str) -> Tensor:
    if not torch.isfinite(x).all():
        raise SamplingError(
            f"{what} hold NaN or infinite numbers: compute in float32 or bfloat16, or lower the guidance scales"
        )
    return x
