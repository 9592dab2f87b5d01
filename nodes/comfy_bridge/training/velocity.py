"""Core's LTX-2 as what the training objective calls: the context where a dub has it, gradients of all that is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import comfy.model_management
import torch
from comfy.ldm.modules.attention import attention_pytorch
from comfy.patcher_extension import copy_nested_dicts
from comfy_extras.nodes_lt import LTXVAddGuide
from torch import Tensor

from xdub_core.dub_it.framing import MULTIPLE
from xdub_core.dub_it.layouts import Layout
from xdub_core.dub_it.times import FRAMES_PER_LATENT
from xdub_core.training.dub_it.objective import NoisedPair

from ..dub_it.isolation import Target, audio_target, isolated, video_target, without_isolation
from ..dub_it.reference_times import with_reference_at_targets_times, without_reference_times
from ..dub_it.voice import tokens_of
from .checkpointing import CheckpointedBlock

SCALES = (FRAMES_PER_LATENT, MULTIPLE, MULTIPLE)
"""Frames and pixels of a latent cell."""


@contextmanager
def core_trains() -> Iterator[None]:
    """While it lasts, core computes with operations that have gradients; forward and backward need it."""
    before = comfy.model_management.in_training
    comfy.model_management.in_training = True
    try:
        yield
    finally:
        comfy.model_management.in_training = before


class LtxVelocity:
    """A MODEL, all of which is on its device, in a layout; to be called while `core_trains`.

    A given first frame counts as target in Eq. 3, as the authors trained it.
    """

    def __init__(self, model: Any, layout: Layout) -> None:
        place = with_reference_at_targets_times if layout.at_targets_times else without_reference_times
        self._model, self._layout = place(without_isolation(model)), layout

    def __call__(self, pair: NoisedPair) -> tuple[Tensor, Tensor]:
        core, device = self._model.model, self._model.load_device
        dtype = core.get_dtype_inference()
        put = partial(torch.Tensor.to, device=device, dtype=dtype)
        guide, video, audio = put(pair.source_video), put(pair.video), put(pair.audio)
        reference = {"tokens": tokens_of(put(pair.source_audio))}
        coordinates, mask = _coordinates(guide), _mask(video, guide, pair.given)
        sigma = core.model_sampling.timestep(torch.tensor([pair.sigma], device=device)).float()
        times = core.process_timestep(
            sigma, x=video, denoise_mask=mask, audio_denoise_mask=torch.ones_like(audio)
        )
        transformer = core.diffusion_model
        with torch.no_grad():
            text = transformer.preprocess_text_embeds(put(pair.text), unprocessed=pair.raw_text)
        targets = video_target(coordinates, mask, False), audio_target(reference)
        picture, sound = transformer(
            [torch.cat((video, guide), dim=2), audio],
            times,
            text,
            frame_rate=pair.fps,
            transformer_options=self._options(targets),
            keyframe_idxs=coordinates,
            denoise_mask=mask,
            ref_audio=reference,
        )
        return picture[:, :, : video.shape[2]].float(), sound.float()

    def _options(self, targets: tuple[Target, Target]) -> dict[str, Any]:
        blocks = self._model.model.diffusion_model.transformer_blocks
        replaced = {
            ("double_block", number): CheckpointedBlock(
                block, partial(isolated, (block,), *targets) if self._layout.isolated else nullcontext
            )
            for number, block in enumerate(blocks)
        }
        return {
            "wrappers": copy_nested_dicts(self._model.wrappers),
            "patches_replace": {"dit": replaced},
            "optimized_attention_override": _with_gradients,
        }


def _with_gradients(_: Any, *args: Any, **given: Any) -> Tensor:
    """PyTorch's attention, whatever ComfyUI was started with: not all others have gradients."""
    return attention_pytorch(*args, **given)


def _coordinates(guide: Tensor) -> Tensor:
    """Those of a guide from the first frame on [1, 3, tokens, 2], as core's own node sets them."""
    ((_, values),) = LTXVAddGuide.add_keyframe_index([[guide, {}]], 0, guide, SCALES)
    return values["keyframe_idxs"]


def _mask(video: Tensor, guide: Tensor, given: int) -> Tensor:
    """1 where the picture is made, [1, 128, frames of both, height, width]."""
    mask = video.new_ones(1, 1, video.shape[2] + guide.shape[2], *video.shape[3:])
    mask[:, :, video.shape[2] :], mask[:, :, :given] = 0, 0
    return mask.expand(-1, video.shape[1], -1, -1, -1)
