"""What LTX-2 is given for a dub: the source's picture and sound as context, in the layout that a LoRA learnt.

All of it is set by core's own nodes, from a picture that already has the size and number of frames that they take, so
that they neither crop, stretch nor shorten it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from comfy_extras.nodes_lt import (
    EmptyLTXVLatentVideo,
    LTXVAddGuide,
    LTXVConcatAVLatent,
    LTXVConditioning,
    LTXVImgToVideoInplace,
    LTXVPreprocess,
)
from node_helpers import conditioning_set_values
from torch import Tensor

from xdub_core.dub_it.framing import Framing, framed, framing
from xdub_core.dub_it.layouts import Layout
from xdub_core.dub_it.times import check_frames, latent_frames, padded_frames, sound_latents

from .isolation import with_isolation, without_isolation
from .ltx import check_model, check_vaes, ltx_version, tell_without_lora
from .memory import check_memory
from .reference_times import with_reference_at_targets_times, without_reference_times
from .source import Clip, Source, source_of
from .voice import voice_tokens

MADE_OF = "xdub_dub_it"
"""Key of a LATENT: the `MadeOf` of what is sampled into it. Core's samplers keep it."""
STILL_CRF = 33
"""H.264 quality that a still is given at, as LTX-2 has been trained; the released code does it to the first frame."""


@dataclass(frozen=True)
class MadeOf:
    """What a dub's latent is made of: frames of the source, at which rate, in which framing; latents of its guide.

    `layout`, `version`: of the context, and of the LTX-2 that it is for. `conditionings`: of the prompts, without any
    context. `source`: the whole video, where it is that.
    """

    frames: int
    fps: Fraction
    framing: Framing
    guide_latents: int
    layout: Layout
    version: str
    conditionings: tuple[list[Any], list[Any]]
    source: Source | None = None


@dataclass(frozen=True)
class Context:
    """What Dub It Conditioning gives."""

    model: Any
    positive: list[Any]
    negative: list[Any]
    latent: dict[str, Any]


def video_context(
    model: Any,
    conditionings: tuple[list[Any], list[Any]],
    vaes: tuple[Any, Any],
    video: Any,
    layout: Layout,
    size: int,
    voice: Mapping[str, Any] | None = None,
    free: bool = False,
) -> Context:
    """The context of a whole VIDEO, which is made at once; all else as for `dub_context`."""
    check_model(model, layout)
    check_vaes(*vaes)
    source = source_of(video)
    tell_without_lora(model)
    check_memory(model, source.frames, framing(*source.size, size))
    made = dub_context(model, conditionings, vaes, source.clip(source.whole), layout, size, voice, free)
    made.latent[MADE_OF] = replace(made.latent[MADE_OF], source=source)
    return made


def dub_context(
    model: Any,
    conditionings: tuple[list[Any], list[Any]],
    vaes: tuple[Any, Any],
    clip: Clip,
    layout: Layout,
    size: int,
    voice: Mapping[str, Any] | None = None,
    free: bool = False,
) -> Context:
    """The context of one clip, which is made at once.

    `conditionings`: CONDITIONING of the prompt and of the negative prompt. `vaes`: of picture and of sound. `size`:
    pixels of the longer side. `voice`: an AUDIO to take the voice from instead of the clip's own; `free`: from none.

    Raises CheckpointError, MediaError or SettingsError for what does not fit, before anything is encoded.
    """
    check_model(model, layout)
    check_vaes(*vaes)
    check_frames(len(clip.images))
    made = framing(clip.images.shape[2], clip.images.shape[1], size)
    reference = None if free else _reference(clip, vaes[1], voice)
    positive, negative = LTXVConditioning.execute(*conditionings, float(clip.fps)).args
    positive, negative, latent = with_picture((positive, negative), vaes[0], clip, made, layout.first_frame)
    if reference is not None:
        positive, negative = (
            conditioning_set_values(each, {"ref_audio": reference}) for each in (positive, negative)
        )
    (latent,) = LTXVConcatAVLatent.execute(latent, {"samples": _empty_sound(clip, vaes[1])}).args
    frames = len(clip.images)
    guide, version = latent_frames(frames), ltx_version(model)
    latent[MADE_OF] = MadeOf(frames, clip.fps, made, guide, layout, version, conditionings)
    return Context(in_layout(model, layout), positive, negative, latent)


def in_layout(model: Any, layout: Layout) -> Any:
    """A clone of a MODEL that sees the context as the layout has it."""
    model = (with_reference_at_targets_times if layout.at_targets_times else without_reference_times)(model)
    return with_isolation(model, layout.first_frame) if layout.isolated else without_isolation(model)


def _reference(clip: Clip, audio_vae: Any, voice: Mapping[str, Any] | None) -> dict[str, Tensor]:
    """Core's cond for the sound; one for both conditionings, so that they can be computed in one batch."""
    latents = sound_latents(padded_frames(len(clip.images)), clip.fps)
    return {"tokens": voice_tokens(clip.audio if voice is None else voice, audio_vae, latents, voice is None)}


def with_picture(
    conditionings: tuple[list[Any], list[Any]],
    vae: Any,
    clip: Clip,
    made: Framing,
    first_frame: bool,
    latents: Tensor | None = None,
) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Both conditionings and a latent with the clip as a guide from its start on; maybe the first frame, too.

    `latents`: [1, 128, frames, height, width] to begin with; None for empty ones.
    """
    images = framed(clip.images, made)
    last = images[-1:].expand(padded_frames(len(images)) - len(images), -1, -1, -1)
    images = torch.cat((images, last))
    (latent,) = EmptyLTXVLatentVideo.execute(*made.padded, len(images)).args
    if latents is not None:
        latent = {"samples": latents}
    if first_frame:
        (still,) = LTXVPreprocess.execute(images[:1], STILL_CRF).args
        (latent,) = LTXVImgToVideoInplace.execute(vae, still, latent, 1.0).args
    return LTXVAddGuide.execute(*conditionings, vae, latent, images, 0, 1.0).args


def _empty_sound(clip: Clip, audio_vae: Any) -> Tensor:
    model = audio_vae.first_stage_model
    latents = sound_latents(padded_frames(len(clip.images)), clip.fps)
    return torch.zeros(1, audio_vae.latent_channels, latents, model.latent_frequency_bins)
