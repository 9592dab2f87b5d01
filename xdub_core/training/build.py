"""A configuration to a model and its objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.experts.adapters import Adapters, new_adapters
from xdub_core.model.dit import XDubDiT
from xdub_core.training.channelwise import edit_channelwise
from xdub_core.training.config import TrainingConfig
from xdub_core.training.cpu_attention import training_attention
from xdub_core.training.editor import edit
from xdub_core.training.example_files import Example
from xdub_core.training.generator import REFERENCE_FRAMES, inpaint
from xdub_core.training.objective import Objective, PixelLosses, Predict


def build_dit(config: TrainingConfig, device: torch.device | str = "cpu") -> XDubDiT:
    """The configuration's DiT with PyTorch's own random weights ("meta" costs nothing)."""
    attention = training_attention(device)
    return XDubDiT(config.model, attention=attention, device=device, dtype=getattr(torch, config.weights))


def build_objective(
    config: TrainingConfig, dit: XDubDiT, context: Tensor, pixels: PixelLosses | None = None
) -> Objective:
    """The objective of the configuration's stage around `dit`, whose parameters it freezes where a LoRA is trained.

    `context`: the embedded prompt [1, tokens, text_dim]; `pixels` supervise experts, with `config.pixels` for their
    settings.
    """
    predict: Predict = edit_channelwise if config.concatenation == "channels" else edit
    if config.stage == "generator":
        predict = inpaint
    dit.checkpoint_blocks = config.gradient_checkpointing
    dit.requires_grad_(config.expert is None)
    adapters: Adapters | None = None
    if config.expert is not None:
        adapters = new_adapters(dit, config.expert, config.targets, config.trainer.seed).attach(dit)
    if pixels is not None:
        pixels = replace(pixels, settings=config.pixels)
    return Objective(dit, predict, context, config.flow, pixels, adapters)


def check_examples(config: TrainingConfig, example: Example) -> None:
    """Raise SettingsError unless an example has what the configuration's stage needs, in its sizes.

    How many pixels a latent pixel covers is the VAE's affair, and read off the target.
    """
    side = example["target"].shape[-1] if "target" in example else 1
    spatial = max(1, config.crop // max(1, side))
    for name, shape in example_shapes(config, spatial).items():
        found = tuple(example[name].shape) if name in example else None
        if found is None and name not in ("face", "lip"):
            raise SettingsError(f"the examples have no {name!r}: make them for the stage {config.stage}")
        if found not in (None, shape):
            raise SettingsError(
                f"the examples' {name!r} is {list(found or ())}, but the configuration's is {list(shape)}: make them "
                f"for its crop of {config.crop} pixels, its clips of {config.clip.frames} frames and its model"
            )


def example_shapes(config: TrainingConfig, spatial: int = 16) -> Mapping[str, tuple[int, ...]]:
    """The shapes of the examples that the configuration's stage needs; `spatial`: pixels per latent pixel."""
    model, side, latents = config.model, config.crop // spatial, config.clip.latents
    clip = (model.latent_channels, latents, side, side)
    shapes: dict[str, tuple[int, ...]] = {
        "target": clip,
        "reference": clip,
        "audio": (latents, 8, model.audio_dim),
        "face": (1, latents, side, side),
        "lip": (1, latents, side, side),
    }
    if config.stage == "generator":
        shapes["reference"] = (model.latent_channels, REFERENCE_FRAMES, side, side)
        shapes["background"] = clip
    return shapes
