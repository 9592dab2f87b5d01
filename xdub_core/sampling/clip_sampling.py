"""Sampling one clip along the guided velocity (released model §4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from xdub_core.errors import NotFiniteError, SamplingError, SettingsError
from xdub_core.sampling.denoiser import Denoiser
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.known_latents import KnownLatents
from xdub_core.sampling.prediction_memory import OnPredicted, PredictionMemory
from xdub_core.sampling.reuse import EXACT, Reuse
from xdub_core.sampling.samplers import SAMPLERS
from xdub_core.sampling.schedule import SCHEDULES, SHIFT, check_schedule

SEEDS = range(-(2**63), 2**64)
"""What PyTorch's generators take."""

StepCallback = Callable[[int, int, Tensor], None]
"""Called after each step with (steps done, steps in all, latents). It may raise to interrupt."""


@dataclass(frozen=True)
class SamplerSettings:
    """How a clip is sampled. `seed` makes the same noise for every clip; `border` is in latent pixels.

    `sampler` is one of `SAMPLERS`, `schedule` one of `SCHEDULES`. `reuse`: which predictions need not be made.

    Raises SettingsError for steps below 1, a shift that is not positive, a seed that PyTorch does not take, or a
    sampler or schedule that is not there.
    """

    steps: int = 30
    guidance: Guidance = field(default_factory=Guidance)
    shift: float = SHIFT
    seed: int = 42
    border: int = 1
    sampler: str = "euler"
    schedule: str = "simple"
    reuse: Reuse = field(default=EXACT, metadata={"key_default": EXACT})

    def __post_init__(self) -> None:
        check_schedule(self.steps, self.shift)
        if self.seed not in SEEDS:
            raise SettingsError(
                f"a seed of {self.seed}: use a whole number from {SEEDS.start} to {SEEDS.stop - 1}"
            )
        for what, chosen, names in (
            ("sampler", self.sampler, tuple(SAMPLERS)),
            ("schedule", self.schedule, tuple(SCHEDULES)),
        ):
            if chosen not in names:
                raise SettingsError(f"a {what} named {chosen!r}: use {', '.join(names[:-1])} or {names[-1]}")

    @property
    def sigmas(self) -> Tensor:
        """The noise levels, [steps + 1]."""
        return SCHEDULES[self.schedule](self.steps, self.shift)


@dataclass(frozen=True)
class ClipInputs:
    """What a clip is made from.

    `reference`: clean latents of the source crops [1, channels, frames, height, width]; `audio`: windows
    [1, frames, 8, audio_dim]; `motion`: latents of the last frames of the clip before, [1, channels, 2, height,
    width], or None for a first clip; `attempt`: how often this clip was sampled before, each time from another noise.
    """

    reference: Tensor
    audio: Tensor
    motion: Tensor | None = None
    attempt: int = 0

    @property
    def motion_latents(self) -> int:
        return 0 if self.motion is None else self.motion.shape[2]


class ClipSampler(Protocol):
    """Samples clips, one after the other. A host may bring its own (ComfyUI's runs any of its samplers)."""

    @property
    def steps(self) -> int:
        """Steps per clip."""
        ...

    def seed(self, number: int, attempt: int) -> int:
        """The seed of the noise from which an attempt, counted from 0, at clip `number` is sampled."""
        ...

    def redone(self, number: int) -> int:
        """How often somebody has had clip `number` sampled anew, with other noise each time."""
        ...

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:
        """The latents of clip `number` (counted from 0 over the whole dub), float32, like `clip.reference`."""
        ...


@dataclass(frozen=True)
class DenoiserSampler:
    """Samples with a denoiser's velocities."""

    denoiser: Denoiser
    settings: SamplerSettings

    @property
    def steps(self) -> int:
        return self.settings.steps

    def seed(self, number: int, attempt: int) -> int:  # noqa: ARG002
        """See `ClipSampler`."""
        return attempt_seed(self.settings.seed, attempt)

    def redone(self, number: int) -> int:  # noqa: ARG002
        """See `ClipSampler`: nobody has."""
        return 0

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:  # noqa: ARG002
        return sample_clip(self.denoiser, clip, self.settings, on_step)


def clip_noise(shape: torch.Size | tuple[int, ...], seed: int) -> Tensor:
    """The initial noise, float32 on the CPU, so that a seed means the same on every machine."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))


def attempt_seed(seed: int, attempt: int) -> int:
    """The seed of an attempt at a clip, one of `SEEDS`: the first has `seed` itself, each further one its own."""
    if attempt == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}, attempt {attempt}".encode()).digest()[:8], "little")


def sample_clip(
    denoiser: Denoiser,
    clip: ClipInputs,
    settings: SamplerSettings,
    on_step: StepCallback | None = None,
    on_predicted: OnPredicted | None = None,
) -> Tensor:
    """Sample a clip's latents, float32, shaped like `clip.reference`.

    Motion latents and the border come out as they are known: see `KnownLatents`. `on_predicted` is told how many
    predictions are made at each noise level.

    Raises NotFiniteError when latents become NaN or infinite, SamplingError where sizes do not fit the model.
    """
    reference = _finite(clip.reference.float(), "the reference latents")
    noise = clip_noise(reference.shape, attempt_seed(settings.seed, clip.attempt)).to(reference)
    known = KnownLatents(reference, noise, settings.border, clip.motion)
    denoise = denoiser.for_clip(reference, _finite(clip.audio, "the audio features"), clip.motion_latents)
    guidance, sigmas = settings.guidance, settings.sigmas
    memory = PredictionMemory(guidance, settings.reuse, on_predicted)

    def velocity(x: Tensor, sigma: float) -> Tensor:
        velocities = memory.velocities(x, sigma, lambda weights: denoise(x, sigma, weights))
        guided = guidance.combine(velocities, sigma)
        _finite(
            guided[:, :, clip.motion_latents :],
            f"the latents of step {int((sigmas >= sigma).sum())}",
            NotFiniteError,
        )
        return guided

    def after_step(step: int, x: Tensor) -> None:
        if on_step is not None:
            on_step(step, settings.steps, x)

    sample = SAMPLERS[settings.sampler]
    return known.clean(sample(known.around(velocity), known.noised(noise, 1.0), sigmas, after_step))


def _finite(x: Tensor, what: str, error: type[SamplingError] = SamplingError) -> Tensor:
    if not torch.isfinite(x).all():
        raise error(
            f"{what} hold NaN or infinite numbers: compute in float32 or bfloat16, or lower the guidance scales"
        )
    return x
