"""LTX-2 from a file, frozen and whole on its device, to train a LoRA on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import torch

from xdub_core.dub_it.layouts import Layout
from xdub_core.errors import CheckpointError, MissingModelError, SettingsError
from xdub_core.training.dub_it.run import Trained
from xdub_core.weights.tensor_file import open_tensors

from ..dub_it.ltx import ltx_version
from .velocity import LtxVelocity

TRAINABLE = ("2.0", "2.3")
"""Versions of LTX-2 whose training is known to work: those that there are LoRAs for dubbing of."""


def load_trained(path: Path, layout: Layout, weights: str) -> Trained:
    """LTX-2 in a layout, its weights in that precision ("file": as they are stored).

    `path`: a checkpoint, or the diffusion model alone. Raises MissingModelError, CheckpointError or SettingsError.
    """
    if not path.is_file():
        raise MissingModelError(
            f"there is no model file {path}: give ltx-2-19b-dev.safetensors, or another of LTX-2"
        )
    open_tensors(path)
    options = {} if weights == "file" else {"dtype": getattr(torch, weights)}
    try:
        # Weights that come and go would not be there for the gradients.
        model = comfy.sd.load_diffusion_model(str(path), options, disable_dynamic=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} is no model that ComfyUI knows ({str(error).splitlines()[0]}): give one of LTX-2"
        ) from None
    return trained(model, layout)


def trained(model: Any, layout: Layout) -> Trained:
    """A MODEL to train a LoRA on. Raises CheckpointError where it is not LTX-2, SettingsError where it has no room."""
    version = ltx_version(model)
    if version not in TRAINABLE:
        raise CheckpointError(
            f"the model is LTX-{version}, and LoRAs for dubbing are trained on {' and '.join(TRAINABLE)}: load one"
        )
    try:
        comfy.model_management.load_models_gpu([model], force_full_load=True)
    except comfy.model_management.OOM_EXCEPTION:
        raise SettingsError(
            f"{model.load_device} has no room for the model of {model.model_size() / 2**30:.0f} GiB: set weights to "
            "float8_e4m3fn, or take a device with more memory"
        ) from None
    transformer = model.model.diffusion_model.requires_grad_(False)
    return Trained(
        transformer,
        LtxVelocity(model, layout),
        version,
        text_widths(transformer),
        torch.device(model.load_device),
    )


def text_widths(transformer: Any) -> dict[bool, tuple[int, ...]]:
    """Widths of the texts that a transformer of core's takes: before its connectors (True) and after them (False)."""
    both = transformer.cross_attention_dim + transformer.audio_cross_attention_dim
    if transformer.caption_proj_before_connector:
        return {True: (both,), False: (both,)}
    return {True: (transformer.caption_channels,), False: (2 * transformer.caption_channels,)}
