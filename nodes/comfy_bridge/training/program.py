"""The program's work, once ComfyUI's core is there: settings and files to a LoRA."""

from __future__ import annotations

import sys
from pathlib import Path

import comfy.model_management

from xdub_core.dub_it.layouts import layout_named
from xdub_core.errors import SettingsError
from xdub_core.progress import Progress
from xdub_core.training.dub_it.run import checked_pairs, train_lora
from xdub_core.training.dub_it.settings import LoraTraining
from xdub_core.training.settings_file import read_settings

from .loading import load_trained
from .velocity import core_trains


def train(config: Path, model: Path, pairs: Path, out: Path) -> Path:
    """Train a LoRA; returns its file. Raises XDubError for what somebody can mend, before the long work if it can."""
    settings = read_settings(config, LoraTraining)
    checked_pairs(pairs)
    loaded = load_trained(model, layout_named(settings.layout), settings.weights)
    try:
        with core_trains():
            return train_lora(settings, loaded, pairs, out, on_progress=_tell)
    except comfy.model_management.OOM_EXCEPTION:
        raise SettingsError(
            f"{loaded.device} has no room for the training: set weights to float8_e4m3fn, make pairs of fewer frames "
            "or pixels, or take a device with more memory"
        ) from None


def _tell(progress: Progress) -> None:
    losses = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
    sys.stdout.write(f"step {progress.done} of {progress.total}: {losses}\n")
    sys.stdout.flush()
