"""Which LTX-2 somebody has loaded, and whether what is connected belongs to it."""

from __future__ import annotations

from typing import Any

from comfy.ldm.lightricks.vae.audio_vae import AudioVAE
from comfy.model_base import LTXAV

from xdub_core.dub_it.framing import MULTIPLE
from xdub_core.dub_it.layouts import Layout, check_layout, stated_by
from xdub_core.dub_it.times import FRAMES_PER_LATENT
from xdub_core.errors import CheckpointError, SettingsError

from ..host.warnings import warn

LATENT_CHANNELS = 128


def ltx_version(model: Any) -> str:
    """The version of LTX-2, "2.0", "2.3" or "2.5", that a MODEL is. Raises CheckpointError for another model."""
    if not isinstance(model.model, LTXAV):
        raise CheckpointError(
            f"the model is {type(model.model).__name__}, and Dub It needs LTX-2, which makes picture and sound: load "
            "ltx-2-19b-dev or ltx-2.3-22b-dev with Load Checkpoint"
        )
    transformer = model.model.diffusion_model
    if not transformer.cross_attention_adaln:
        return "2.0"
    return "2.3" if transformer.ff_bias else "2.5"


def check_model(model: Any, layout: Layout) -> None:
    """Raise CheckpointError or SettingsError where a MODEL, or the last LoRA on it, is not for the layout."""
    check_layout(layout, ltx_version(model), stated_by(model.get_attachment("lora_metadata")))


def tell_without_lora(model: Any) -> None:
    """Warn where nothing is put on a MODEL: LTX-2 by itself does not dub."""
    if not model.patches and not model.injections:
        warn(
            "there is no LoRA on the model, and LTX-2 alone does not dub: load the one for dubbing with Load LoRA "
            "(Model); one whose layers are another model's counts as none"
        )


def check_refiner(refiner: Any, version: str) -> None:
    """Raise CheckpointError or SettingsError where a second stage's MODEL is not LTX-2 of the first one's version."""
    if ltx_version(refiner) != version:
        raise SettingsError(
            f"the refiner is LTX-{ltx_version(refiner)}, and the model is LTX-{version}: connect two of one version"
        )


def check_vaes(vae: Any, audio_vae: Any) -> None:
    """Raise CheckpointError where a VAE is not LTX-2's."""
    check_picture_vae(vae)
    if audio_vae is None or not isinstance(audio_vae.first_stage_model, AudioVAE):
        raise CheckpointError(
            "the audio_vae is not LTX-2's: connect Load LTXV Audio VAE, with the model's own checkpoint"
        )


def check_picture_vae(vae: Any) -> None:
    """Raise CheckpointError where the VAE is not LTX-2's for pictures."""
    grid = (FRAMES_PER_LATENT, MULTIPLE, MULTIPLE)
    if isinstance(getattr(vae, "first_stage_model", None), AudioVAE):
        raise CheckpointError(
            "the vae is LTX-2's for sound, and that for pictures is needed: connect the VAE of Load Checkpoint"
        )
    if vae is None or vae.latent_channels != LATENT_CHANNELS or vae.downscale_index_formula != grid:
        raise CheckpointError(
            "the vae is not LTX-2's: connect the VAE of the Load Checkpoint that loads the model"
        )
