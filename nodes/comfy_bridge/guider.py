"""One clip's guider: three predictions in a batch, dynamic scales, what is known of the clip kept.

It works with any SAMPLER and any SIGMAS. In core's terms a prediction is the clean latents and not the velocity; the
guidance, a weighted sum whose weights sum to 1, is the same for both. What stands in for predictions that are not made
are velocities, as in the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import comfy.model_management as management
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from comfy.samplers import CFGGuider, calc_cond_batch
from torch import Tensor

from xdub_core.audio.windows import audio_windows
from xdub_core.errors import SamplingError, SettingsError
from xdub_core.sampling.clip_sampling import ClipInputs
from xdub_core.sampling.denoiser import dit_needs
from xdub_core.sampling.guidance import BranchWeights, Guidance, Velocities
from xdub_core.sampling.known_latents import KnownLatents
from xdub_core.sampling.prediction_memory import OnPredicted, PredictionMemory
from xdub_core.sampling.reuse import EXACT, Reuse

from .model.guidance_patches import (
    Step,
    is_patched,
    patched_guidance,
    remembered,
    warn_of_idle_patches,
    without_lazy_cache,
)
from .model.xdub_model import AUDIO, REFERENCE, require_xdub
from .types import ReferenceLatents, SpeechFeatures

BRANCHES = ("positive", "middle", "negative")
"""Core's names for the three predictions: reference and audio, reference, none. For core, 0 is cond and 1 is uncond."""


def branch_conditioning(context: Tensor, reference: Tensor, audio: Tensor) -> dict[str, list[Any]]:
    """CONDITIONING of the three branches; what a branch does not get is zeros of the same shape."""
    given = {
        "negative": (torch.zeros_like(reference), torch.zeros_like(audio)),
        "middle": (reference, torch.zeros_like(audio)),
        "positive": (reference, audio),
    }
    return {name: [[context, {REFERENCE: r, AUDIO: a}]] for name, (r, a) in given.items()}


class ClipGuider(CFGGuider):
    """The GUIDER of one clip.

    `context`: the embedded empty prompt [1, rows, width]; `clip`: its conditions, latents normalised; `border`: width
    of the locked border in latent pixels; `reuse`: which predictions need not be made; `on_predicted` is told each
    noise level that the sampler asks for, and how many predictions are made there.
    Raises SettingsError for a model that is not X-Dub.
    """

    def __init__(
        self,
        model: Any,
        guidance: Guidance,
        clip: ClipInputs,
        context: Tensor,
        border: int = 1,
        reuse: Reuse = EXACT,
        on_predicted: OnPredicted | None = None,
    ) -> None:
        require_xdub(model)
        warn_of_idle_patches(model)
        super().__init__(without_lazy_cache(model))
        self.guidance = guidance
        self.clip = clip
        self.border = border
        self.reuse = reuse
        self.on_predicted = on_predicted
        self._known: KnownLatents | None = None
        self._memory = PredictionMemory(guidance, reuse, on_predicted)
        self.inner_set_conds(branch_conditioning(context, clip.reference, clip.audio))

    def sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: Any,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """Sample the clip. Nothing on the device is held on to afterwards, an error or an interruption included."""
        if latent_image.shape != self.clip.reference.shape:
            raise SamplingError(
                f"the latent to sample is {list(latent_image.shape)}, but the clip is "
                f"{list(self.clip.reference.shape)}: connect the latent output of the X-Dub Guider"
            )
        latent_image, denoise_mask = self._with_motion(latent_image, denoise_mask)
        self._memory = PredictionMemory(self.guidance, self.reuse, self.on_predicted)
        try:
            sigmas = sigmas.clone()  # UniPC overwrites the last, which the next clip needs
            return super().sample(noise, latent_image, sampler, sigmas, denoise_mask, *args, **kwargs)
        finally:
            self._known = None
            self._memory.forget()
            for name in ("conds", "inner_model", "loaded_models"):
                self.__dict__.pop(name, None)

    def inner_sample(self, *args: Any, **kwargs: Any) -> Tensor:
        add_wrapper_with_key(
            WrappersMP.SAMPLER_SAMPLE,
            "xdub_known_latents",
            self._keep_known,
            self.model_options,
            is_model_options=True,
        )
        return super().inner_sample(*args, **kwargs)

    def predict_noise(
        self,
        x: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,  # noqa: ARG002 (core's signature)
    ) -> Tensor:
        """The guided prediction of the clean latents at noise level `timestep`."""
        management.throw_exception_if_processing_interrupted()
        options = model_options or {}
        sigma = float(timestep.flatten()[0])
        seen = x if self._known is None else self._known.noised(x, sigma)
        step = Step(self.inner_model, self.conds, seen, timestep, options)
        guided = patched_guidance if is_patched(options) else plain_guidance
        denoised = guided(step, self._memory)
        return denoised if self._known is None else self._known.clean(denoised)

    def _with_motion(self, latents: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The clip before's last frames at the start, and a noise mask that leaves them alone."""
        if self.clip.motion is None:
            return latents, mask
        motion = self.model_patcher.model.process_latent_out(self.clip.motion.float()).to(latents)
        latents = torch.cat([motion, latents[:, :, self.clip.motion_latents :]], dim=2)
        if mask is None:
            mask = torch.ones(1, 1, *latents.shape[2:])
        elif mask.ndim < 5:  # one mask a frame, or one for all
            mask = mask.reshape(1, 1, -1, *mask.shape[-2:])
        mask = mask.expand(-1, -1, latents.shape[2], -1, -1).clone()
        mask[:, :, : self.clip.motion_latents] = 0
        return latents, mask

    def _keep_known(
        self,
        sample: Callable[..., Tensor],
        guider: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Tensor,
        latents: Tensor,
        *args: Any,
    ) -> Tensor:
        """Around core's sampling: knows its noise, and leaves border and motion as they are known."""
        reference = self.clip.reference.to(noise)
        initial = noise if noise.any() else noise_within(latents, reference, float(sigmas[0]))
        motion = None if self.clip.motion is None else latents[:, :, : self.clip.motion_latents]
        self._known = KnownLatents(reference, initial, self.border, motion)
        last_sigma = float(sigmas[-1])  # asked now: UniPC overwrites it
        samples = sample(guider, sigmas, extra_args, callback, noise, latents, *args)
        if last_sigma > 0:  # another sampling goes on from here
            return samples
        return replace(self._known, motion=self.clip.motion).clean(samples)


def plain_guidance(step: Step, memory: PredictionMemory) -> Tensor:
    """The guided prediction of the clean latents. Predictions that do not count, or are kept, are not made."""
    sigma, guidance = step.sigma, memory.guidance

    def predict(weights: BranchWeights) -> Velocities:
        conds = [
            step.conds[name] if weight else None for name, weight in zip(BRANCHES, weights[::-1], strict=True)
        ]
        return Velocities(*reversed(calc_cond_batch(step.model, conds, step.x, step.timestep, step.options)))

    return guidance.combine(remembered(memory, step, predict), sigma)


def noise_within(latents: Tensor, reference: Tensor, sigma: float) -> Tensor:
    """The noise in the border of latents that an earlier sampling, which locked it, took down to `sigma`.

    `latents` as core has them before it scales them back to x = (1 - sigma) * latents.
    """
    return (latents - reference) * ((1 - sigma) / sigma) if sigma > 0 else torch.zeros_like(latents)


def require_fit(model: Any, reference: ReferenceLatents, speech: SpeechFeatures) -> None:
    """Raise SettingsError unless a model, reference latents and features belong together."""
    require_xdub(model)
    sizes, grid = model.model.diffusion_model.config, reference.vae.grid
    needs, (height, width) = dit_needs(sizes), reference.crops.shape[1:3]
    if misfit := needs.misfit(grid):
        raise SettingsError(
            f"the reference latents {misfit}: encode them with the VAE that belongs to the model"
        )
    step = grid.crop_step(needs.patch)
    if height % step or width % step:
        raise SettingsError(
            f"the crops are {width} x {height} pixels, but the model takes multiples of {step}: choose another "
            "crop_size in Face Crop (X-Dub)"
        )
    if speech.features.width != sizes.audio_dim:
        raise SettingsError(
            f"the audio features are {speech.features.width} wide, but the model takes {sizes.audio_dim}: use the "
            "audio encoders that belong to the model"
        )


def clip_inputs(
    model: Any,
    reference: ReferenceLatents,
    speech: SpeechFeatures,
    number: int,
    frames_before: Tensor | None = None,
) -> ClipInputs:
    """The inputs of clip `number`, counted from 1 over all shots; `frames_before`: decoded crops [n, S, S, 3].

    Raises SettingsError for a clip that is not there, or that lacks the frames of the clip before, in the crops' size.
    """
    require_fit(model, reference, speech)
    clips = [pair for shot in reference.shots for pair in zip(shot.clips, shot.latents, strict=True)]
    if number > len(clips):
        raise SettingsError(
            f"clip {number} is asked for, but the dub has {len(clips)}: choose 1 to {len(clips)}"
        )
    clip, latents = clips[number - 1]
    motion = None
    if clip.motion_frames:
        if frames_before is None or len(frames_before) < clip.motion_frames:
            raise SettingsError(
                f"clip {number} goes on from the last {clip.motion_frames} frames of the clip before: connect "
                "that clip's decoded crops to frames_before"
            )
        if frames_before.shape[1:3] != reference.crops.shape[1:3]:
            shown = [
                f"{shape[1]} x {shape[0]}" for shape in (frames_before.shape[1:3], reference.crops.shape[1:3])
            ]
            raise SettingsError(
                f"frames_before are of {shown[0]} pixels, but the reference's crops of {shown[1]}: connect the crops "
                "of the clip before as VAE Decode gives them"
            )
        motion = reference.vae.encode(frames_before[-clip.motion_frames :])
    windows = audio_windows(speech.features, clip.start, latents.shape[2], reference.geometry.grid)
    return ClipInputs(latents, windows.unsqueeze(0), motion)
