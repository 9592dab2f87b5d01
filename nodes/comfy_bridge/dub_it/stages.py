"""A clip sampled by LTX-2: in a first stage, and maybe in a second at twice the size, with core's samplers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from comfy.nested_tensor import NestedTensor
from comfy_extras.nodes_custom_sampler import CFGGuider, KSamplerSelect, RandomNoise, SamplerCustomAdvanced
from comfy_extras.nodes_lt import LTXVConcatAVLatent, LTXVConditioning, LTXVScheduler
from comfy_extras.nodes_lt_upsampler import LTXVLatentUpsampler
from node_helpers import conditioning_set_values
from torch import Tensor

from xdub_core.dub_it.framing import Framing
from xdub_core.dub_it.layouts import Layout
from xdub_core.dub_it.recipes import SCHEDULE, recipe_for
from xdub_core.errors import SettingsError

from .conditioning import MADE_OF, Context, dub_context, in_layout, with_picture
from .ltx import check_model, check_picture_vae, check_refiner, check_vaes, ltx_version
from .memory import check_memory
from .result import made_of
from .source import Clip
from .voice import tokens_of

Conditionings = tuple[list[Any], list[Any]]
"""Of the prompt, and of the negative prompt."""


@dataclass(frozen=True)
class LtxModels:
    """What is loaded; `upscaler` (a LATENT_UPSCALE_MODEL) and maybe `refiner` (a MODEL) for a second stage."""

    model: Any
    clip: Any
    vae: Any
    audio_vae: Any
    upscaler: Any = None
    refiner: Any = None


@dataclass(frozen=True)
class Choices:
    """`size`: as for `dub_context`. `steps` 0 and `guidance` 0: as the layout's recipe has them."""

    layout: Layout
    size: int
    seed: int
    steps: int = 0
    guidance: float = 0.0
    free: bool = False


def check(models: LtxModels, choices: Choices) -> None:
    """Raise CheckpointError or SettingsError where something loaded does not belong together."""
    check_model(models.model, choices.layout)
    check_vaes(models.vae, models.audio_vae)
    if models.upscaler is None:
        if models.refiner is not None:
            raise SettingsError(
                "refiner is connected, and upscale_model is not: connect both for a second stage, or none"
            )
        return
    if models.refiner is None and recipe_for(choices.layout).own_refiner:
        raise SettingsError(
            f"upscale_model is connected, and for the layout {choices.layout.name!r} the second stage needs a refiner: "
            "connect the model with the distilled LoRA, and without that for dubbing"
        )
    if models.refiner is not None:
        check_refiner(models.refiner, ltx_version(models.model))


def sampled(
    models: LtxModels,
    conditionings: Conditionings,
    clip: Clip,
    choices: Choices,
    voice: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The LATENT of a clip, sampled, with its `MadeOf`; `voice` as for `dub_context`."""
    recipe = recipe_for(choices.layout)
    made = dub_context(
        models.model,
        conditionings,
        (models.vae, models.audio_vae),
        clip,
        choices.layout,
        choices.size,
        voice,
        choices.free,
    )
    if choices.steps or not recipe.sigmas:
        (sigmas,) = LTXVScheduler.execute(choices.steps or recipe.steps, **SCHEDULE).args
    else:
        sigmas = torch.tensor(recipe.sigmas)
    guidance = choices.guidance or recipe.guidance
    latent = _sample(made.model, (made.positive, made.negative), made.latent, sigmas, guidance, choices.seed)
    if models.upscaler is None:
        return latent
    model = models.model if models.refiner is None else models.refiner
    second = second_stage(latent, model, models.vae, clip, models.upscaler)
    both, noise = (second.positive, second.negative), torch.tensor(recipe.refine)
    refined = _sample(second.model, both, second.latent, noise, 1.0, choices.seed)
    sound = latent["samples"].unbind()[1]
    return {**refined, "samples": NestedTensor((refined["samples"].unbind()[0], sound))}


def second_stage(
    latent: dict[str, Any],
    model: Any,
    vae: Any,
    clip: Clip,
    upscaler: Any,
) -> Context:
    """The context of the same clip at twice the size: its sound stays, its picture is drawn anew from some noise.

    `latent`: of the first stage, sampled. `model`: of the second. Raises CheckpointError or SettingsError where
    something connected does not belong together.
    """
    facts = made_of(latent)
    layout = facts.layout
    check_refiner(model, facts.version)
    check_picture_vae(vae)
    check_memory(model, facts.frames, facts.framing, times=2)
    video, audio = latent["samples"].unbind()
    small = video[:, :, : video.shape[2] - facts.guide_latents]
    (large,) = LTXVLatentUpsampler.execute({"samples": small}, upscaler, vae).args
    if large["samples"].shape[2:] != (small.shape[2], 2 * small.shape[3], 2 * small.shape[4]):
        raise SettingsError(
            "upscale_model does not double the picture's size: load LTX-2's spatial upscaler x2"
        )
    twice = Framing(facts.framing.source, _doubled(facts.framing.scaled), _doubled(facts.framing.padded))
    both = LTXVConditioning.execute(*facts.conditionings, float(clip.fps)).args
    *both, picture = with_picture(both, vae, clip, twice, layout.first_frame, large["samples"])
    if recipe_for(layout).refine_with_sound:
        reference = {"tokens": tokens_of(audio)}
        both = [conditioning_set_values(each, {"ref_audio": reference}) for each in both]
    sound = {"samples": audio, "noise_mask": torch.zeros_like(audio)}
    (joint,) = LTXVConcatAVLatent.execute(picture, sound).args
    return Context(in_layout(model, layout), both[0], both[1], {**joint, MADE_OF: facts})


def _doubled(size: tuple[int, int]) -> tuple[int, int]:
    return 2 * size[0], 2 * size[1]


def _sample(
    model: Any,
    conditionings: Conditionings,
    latent: dict[str, Any],
    sigmas: Tensor,
    guidance: float,
    seed: int,
) -> dict[str, Any]:
    """By core's nodes for it, with euler, as LTX-2 is sampled everywhere."""
    (guider,) = CFGGuider.execute(model, *conditionings, guidance).args
    (noise,), (sampler,) = RandomNoise.execute(seed).args, KSamplerSelect.execute("euler").args
    return SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).args[0]
