"""Clips to training examples: frames, masks and speech in, latents out (the names are `objective`'s)."""

from __future__ import annotations

import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import ROWS_PER_FRAME, audio_windows
from xdub_core.training.example_files import Example
from xdub_core.training.masks import latent_mask, mask_out
from xdub_core.vae.protocol import VideoVAE

STORED = torch.float16
"""Latents and features are stored in half precision: finer than any VAE's own error."""


@torch.no_grad()
def generator_example(
    vae: VideoVAE,
    frames: Tensor,
    mask: Tensor,
    references: Tensor,
    features: AudioFeatures,
    start_frame: int,
    face: Tensor,
    lip: Tensor,
) -> dict[str, Tensor]:
    """An example for stage I.

    `frames`: the segment [F, S, S, 3] in 0..1, at `start_frame` of its recording's `features`; `mask` [F, S, S]: what
    is to be painted; `references`: N frames of other segments [N, S, S, 3]; `face`, `lip`: loss masks [F, S, S].
    """
    stills = torch.cat([vae.encode(still[None]) for still in references], dim=2)
    return {
        "target": _stored(vae.encode(frames)),
        "background": _stored(vae.encode(mask_out(frames, mask))),
        "reference": _stored(stills),
        **_audio_and_masks(vae, len(frames), features, start_frame, face, lip),
    }


@torch.no_grad()
def editor_example(
    vae: VideoVAE,
    real: Tensor,
    synthetic: Tensor,
    features: AudioFeatures,
    start_frame: int,
    face: Tensor,
    lip: Tensor,
    rows: Tensor | None = None,
) -> dict[str, Tensor]:
    """An example for stage II: from the `synthetic` clip to the `real` one, [F, S, S, 3] in 0..1, whose speech it is.

    `rows`: the sync scorer's audio features of the clip, [2 F, width]; None: the features of the clip's own span.
    """
    if rows is None:
        rows = features.read(ROWS_PER_FRAME * start_frame, ROWS_PER_FRAME * (start_frame + len(real)))
    return {
        "target": _stored(vae.encode(real)),
        "reference": _stored(vae.encode(synthetic)),
        "rows": rows.to(STORED),
        **_audio_and_masks(vae, len(real), features, start_frame, face, lip),
    }


def _audio_and_masks(
    vae: VideoVAE, frames: int, features: AudioFeatures, start_frame: int, face: Tensor, lip: Tensor
) -> Example:
    return {
        "audio": audio_windows(features, start_frame, vae.grid.latents(frames), vae.grid).to(STORED),
        "face": latent_mask(face, vae.grid).to(STORED),
        "lip": latent_mask(lip, vae.grid).to(STORED),
    }


def _stored(latents: Tensor) -> Tensor:
    return latents[0].to("cpu", STORED)
