"""The window of audio features that each latent frame attends to (released model §3)."""

from __future__ import annotations

import torch

from xdub_core.audio.features import AudioFeatures
from xdub_core.vae.protocol import FRAMES_PER_LATENT

ROWS_PER_FRAME = 2  # 50 rows and 25 frames a second


def window_starts(start_frame: int, latents: int, frames_per_latent: int = FRAMES_PER_LATENT) -> list[int]:
    """First feature row of each latent frame's window; may lie before the recording.

    With 4 frames a latent: latent 0 shows video frame s alone and takes rows [2s - 6, 2s + 2); latent i > 0 shows four
    frames from v = s + 4(i - 1) + 1 on and takes rows [2v, 2v + 8).
    """
    frames = (start_frame + frames_per_latent * (i - 1) + 1 for i in range(latents))
    return [ROWS_PER_FRAME * frame for frame in frames]


def audio_windows(
    features: AudioFeatures, start_frame: int, latents: int, frames_per_latent: int = FRAMES_PER_LATENT
) -> torch.Tensor:
    """Audio features of a clip.

    Args:
        features: of the whole recording.
        start_frame: the clip's first video frame, at 25 fps.
        latents: latent frames of the clip.
        frames_per_latent: the VAE's `temporal`.

    Returns:
        float32 [latents, 2 * frames_per_latent, width]: the released model's 8 rows. Rows
        outside the recording are its first or last row.
    """
    rows = ROWS_PER_FRAME * frames_per_latent
    starts = window_starts(start_frame, latents, frames_per_latent)
    return torch.stack([features.read(row, row + rows) for row in starts])
