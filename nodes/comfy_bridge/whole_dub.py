"""The whole dub as one node: settings that suit the model, and everything that can be checked before the long work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from xdub_core.dub import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.sampling.guidance import Guidance

from ..types import AudioEncoders
from .clip_sampler import ComfyDubbingModel
from .guidance_patches import warn_of_idle_patches
from .model import require_xdub
from .progress import NodeProgress
from .prompt import context_for
from .vae_codec import VaeCodec

SETTINGS = "xdub_settings"
"""Attachment of a MODEL that says how it is best used: `DubSettings`."""


@dataclass(frozen=True)
class DubChoices:
    """What the artist chose; `steps` 0 and no `guidance` leave it to the model."""

    seed: int
    steps: int
    guidance: Guidance | None
    as_released: bool


def own_settings(model: Any) -> DubSettings:
    """How a MODEL is best used: as its loader says, or as the release is."""
    return model.get_attachment(SETTINGS) or DubSettings()


def dub_settings(model: Any, choices: DubChoices) -> DubSettings:
    """The model's own settings, the release's where it has none, with what was chosen. Raises SettingsError."""
    require_xdub(model)
    own = own_settings(model)
    sampler = replace(
        own.sampler,
        seed=choices.seed,
        steps=choices.steps or own.sampler.steps,
        guidance=choices.guidance or own.sampler.guidance,
    )
    return replace(own, sampler=sampler, reference=choices.as_released)


def dubbing_model(
    model: Any, vae: Any, encoders: AudioEncoders, empty_prompt: Any, progress: NodeProgress
) -> ComfyDubbingModel:
    """MODEL and VAE as the engine takes them, which belong together.

    Raises SettingsError where they or the encoders do not, MissingModelError without the empty prompt.
    """
    require_xdub(model)
    sizes = model.model.diffusion_model.config
    if encoders.width != sizes.audio_dim:
        raise SettingsError(
            f"the audio encoders give features {encoders.width} wide, but the model takes {sizes.audio_dim}: connect "
            "those that belong to it (Load Audio Encoders for the released model, the built-in model's for itself)"
        )
    warn_of_idle_patches(model)
    progress.preview_with(model)
    codec = VaeCodec(vae, sizes.latent_channels)
    return ComfyDubbingModel(model, codec, context_for(model, empty_prompt), show=progress.show)
