"""The engine's clips sampled by ComfyUI: any SAMPLER and any SIGMAS, through the guider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import comfy.utils
import torch
from comfy.samplers import sampler_object
from torch import Tensor

from xdub_core.dub.kept_clips import REDO_ATTEMPTS
from xdub_core.errors import NotFiniteError
from xdub_core.sampling.clip_sampling import (
    SEEDS,
    ClipInputs,
    ClipSampler,
    SamplerSettings,
    StepCallback,
    attempt_seed,
    clip_noise,
)
from xdub_core.sampling.denoiser import LatentNeeds, dit_needs
from xdub_core.sampling.prediction_memory import OnPredicted
from xdub_core.vae.protocol import VideoVAE

from .guider import ClipGuider

SHOW = Callable[[Tensor], None]
"""Called after each step with the predicted clean latents, normalised, [1, C, f, h, w]."""


@dataclass(frozen=True)
class ComfyClipSampler:
    """A `ClipSampler` around a MODEL: it goes by the `settings`, but for a SAMPLER or SIGMAS of ComfyUI's.

    `context`: the empty prompt [1, rows, width]; `show` is for previews. With `seed_per_clip`, the clips of the dub
    count the seed up. `redo`: how often each clip, counted from 0, is sampled again, from yet other noise.

    Raises SettingsError for a model that is not X-Dub, SamplingError where sizes do not fit, NotFiniteError for NaN.
    """

    model: Any
    context: Tensor
    settings: SamplerSettings
    sampler: Any = None
    sigmas: Tensor | None = None
    seed_per_clip: bool = False
    show: SHOW | None = None
    on_predicted: OnPredicted | None = None
    redo: Mapping[int, int] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return self.settings.steps if self.sigmas is None else len(self.sigmas) - 1

    def seed(self, number: int, attempt: int) -> int:
        """See `ClipSampler`."""
        settings = self.settings
        seed = (settings.seed + number) % SEEDS.stop if self.seed_per_clip else settings.seed
        return attempt_seed(seed, attempt + REDO_ATTEMPTS * self.redone(number))

    def redone(self, number: int) -> int:
        """See `ClipSampler`."""
        return self.redo.get(number, 0)

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:
        """Sample clip `number` of the dub; see `ClipSampler`."""
        settings, seed = self.settings, self.seed(number, clip.attempt)
        guider = ClipGuider(
            self.model,
            settings.guidance,
            clip,
            self.context,
            settings.border,
            settings.reuse,
            self.on_predicted,
        )

        def callback(step: int, prediction: Tensor, latents: Tensor, steps: int) -> None:
            if self.show is not None:
                self.show(prediction)
            if on_step is not None:
                on_step(step + 1, steps, latents)

        raw = guider.sample(
            clip_noise(clip.reference.shape, seed),
            torch.zeros_like(clip.reference),
            sampler_object(settings.sampler) if self.sampler is None else self.sampler,
            settings.sigmas if self.sigmas is None else self.sigmas,
            callback=callback,
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
        latents = self.model.model.process_latent_in(raw.float()).cpu()
        if not latents.isfinite().all():
            raise NotFiniteError(
                f"clip {number + 1} came out as NaN or infinite numbers: load the model with another weight_dtype, or "
                "lower the guidance scales"
            )
        return latents


@dataclass(frozen=True)
class ComfyDubbingModel:
    """A MODEL and a VAE as the engine's `dub` takes them."""

    model: Any
    vae: VideoVAE
    context: Tensor
    show: SHOW | None = None
    on_predicted: OnPredicted | None = None
    redo: Mapping[int, int] = field(default_factory=dict)
    """See `ComfyClipSampler`."""
    device: str = "cpu"
    """Where crops and latents wait between the steps of the work; MODEL and VAE run where ComfyUI puts them."""

    @property
    def needs(self) -> LatentNeeds:
        """See `DubbingModel`."""
        return dit_needs(self.model.model.diffusion_model.config)

    def sampler(self, settings: SamplerSettings) -> ClipSampler:
        """See `DubbingModel`."""
        return ComfyClipSampler(
            self.model, self.context, settings, show=self.show, on_predicted=self.on_predicted, redo=self.redo
        )
