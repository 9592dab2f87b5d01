"""The window of audio features that each latent frame attends to (released model §3)."""

from __future__ import annotations

import torch

from xdub_core.audio.features import AudioFeatures
from xdub_core.vae.grid import WAN_GRID, LatentGrid

ROWS_PER_FRAME = 2  # 50 rows and 25 frames a second


def window_starts(start_frame: int, latents: int, grid: LatentGrid = WAN_GRID) -> list[int]:
    """First feature row of each latent frame's window; may lie before the recording.

    With 4 frames a latent: latent 0 shows video frame s alone and takes rows [2s - 6, 2s + 2); latent i > 0 shows four
    frames from v = s + 4(i - 1) + 1 on and takes rows [2v, 2v + 8).
    """
    return [ROWS_PER_FRAME * (start_frame + grid.span(latent).start) for latent in range(latents)]


def audio_windows(
    features: AudioFeatures, start_frame: int, latents: int, grid: LatentGrid = WAN_GRID
) -> torch.Tensor:
    """The features that a clip of so many latents hears, whose first video frame is `start_frame` (at 25 fps).

    float32 [latents, 2 * grid.temporal, width]: the released model's 8 rows. Rows outside the recording are its first
    or last row.
    """
    rows = ROWS_PER_FRAME * grid.temporal
    starts = window_starts(start_frame, latents, grid)
    return torch.stack([features.read(row, row + rows) for row in starts])
