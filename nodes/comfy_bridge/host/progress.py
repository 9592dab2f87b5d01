"""The engine's progress as ComfyUI's, and ComfyUI's interruption as the engine's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import comfy.model_management as management
import comfy.utils
import latent_preview
from torch import Tensor

from xdub_core.progress import Progress, Stage

from .warnings import show_now

Item = TypeVar("Item")


class NodeProgress:
    """A `ProgressCallback` that moves the node's bar, says what is done, and stops where the artist has pressed Cancel.

    Finished frames move the bar only where nothing else does: they come in between the sampling steps.
    """

    def __init__(self) -> None:
        self._bar = comfy.utils.ProgressBar(1)
        self._sampling = False
        self._previewer: Any = None
        self._picture: Any = None

    def __call__(self, progress: Progress) -> None:
        management.throw_exception_if_processing_interrupted()
        self._sampling |= progress.stage is Stage.CLIPS
        if self._sampling and progress.stage is Stage.FRAMES:
            return
        show_now(line_of(progress))
        if progress.total is not None:
            self._bar.update_absolute(progress.done, progress.total, self._picture)
            self._picture = None

    def preview_with(self, model: Any) -> None:
        """Show what `show` is given with the next step, as far as ComfyUI's settings and the model's latents allow."""
        self._previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)

    def show(self, latents: Tensor) -> None:
        """Take the predicted clean latents of a step, normalised, [1, C, f, h, w]."""
        if self._previewer is not None:
            self._picture = self._previewer.decode_latent_to_preview_image("JPEG", latents)


def line_of(progress: Progress) -> str:
    """What is done now, in one line."""
    if progress.detail or progress.total is None:
        return f"{progress.stage}: {progress.detail}" if progress.detail else f"{progress.stage}..."
    return f"{progress.stage}: {progress.done} of {progress.total}"


def counted(items: Iterable[Item], total: int) -> Iterator[Item]:
    """The items, moving the node's bar, and stopping before the next one where the artist has pressed Cancel."""
    bar = comfy.utils.ProgressBar(max(1, total))
    for done, item in enumerate(interruptible(items)):
        yield item
        bar.update_absolute(done + 1)


def interruptible(items: Iterable[Item]) -> Iterator[Item]:
    """The items, stopping before the next one where the artist has pressed Cancel."""
    for item in items:
        management.throw_exception_if_processing_interrupted()
        yield item
