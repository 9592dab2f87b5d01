"""The program's work, once ComfyUI's core is there: settings and files to a LoRA."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import comfy.model_management
from safetensors import SafetensorError

from xdub_core.dub_it.layouts import layout_named
from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.progress import Progress
from xdub_core.training.dub_it.lora import count_parameters
from xdub_core.training.dub_it.run import Trained, train_lora
from xdub_core.training.dub_it.settings import LoraTraining

from .loading import load_trained
from .velocity import core_trains

LEARNING_BYTES = 16
"""Of a parameter of the LoRA: itself, its gradient, and AdamW's two moments, in float32."""


def train(settings: LoraTraining, model: Path, pairs: Path, out: Path) -> Path:
    """Train a LoRA; returns its file.

    Raises XDubError for what somebody can mend, and KeyboardInterrupt where it was stopped, after its state is saved.
    """
    loaded = load_trained(model, layout_named(settings.layout), settings.weights)
    _say(_sizes(loaded, settings.rank))
    try:
        with core_trains():
            return train_lora(settings, loaded, pairs, out, on_progress=_Teller())
    except comfy.model_management.OOM_EXCEPTION:
        raise SettingsError(
            f"{loaded.device} has no room for the training: set weights to float8_e4m3fn, make pairs of fewer frames "
            "or pixels, or take a device with more memory"
        ) from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{out} cannot be written ({str(error).splitlines()[0]}): the same command goes on from what is there"
        ) from None


def _sizes(model: Trained, rank: int) -> str:
    """A line on what is frozen and what learns, and the memory of both."""
    frozen, learning = list(model.module.parameters()), count_parameters(model.module, rank)
    held = sum(weight.numel() * weight.element_size() for weight in frozen) / 2**30
    return (
        f"LTX-{model.version} on {model.device}: {sum(weight.numel() for weight in frozen):,} frozen parameters in "
        f"{held:.1f} GiB, {learning:,} of the LoRA in {learning * LEARNING_BYTES / 2**30:.1f} GiB with AdamW's state"
    )


class _Teller:
    """Tells every step, and ends the run after one where it is asked to (Ctrl-C, SIGTERM); asked twice: at once."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def __call__(self, progress: Progress) -> None:
        losses = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
        _say(f"step {progress.done} of {progress.total}: {losses}")
        if self._asked:
            raise KeyboardInterrupt

    def _ask(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
