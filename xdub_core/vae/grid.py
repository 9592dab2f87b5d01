"""The grid of latents that a VAE lays over a video; whatever counts frames, pixels or latents asks it.

A causal VAE's first latent frame holds one video frame, and every later one `temporal` of them (docs/released-model.md
§1). A latent's row and column hold `spatial` pixels each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdub_core.errors import SamplingError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LatentGrid:
    """`channels` of a latent, video frames in each latent frame after the first, pixels in each row and column."""

    channels: int
    temporal: int
    spatial: int

    def latents(self, frames: int) -> int:
        """Latent frames of so many video frames; raises SamplingError unless these are temporal k + 1."""
        if frames < 1 or (frames - 1) % self.temporal:
            k = self.temporal
            raise SamplingError(
                f"the VAE takes {k}k + 1 frames (1, {k + 1}, {2 * k + 1}, ...), "
                f"but got {frames}: repeat the last frame to fill up"
            )
        return (frames - 1) // self.temporal + 1

    def frames(self, latents: int) -> int:
        """Video frames of so many latent frames, the first of which holds one."""
        return self.temporal * (latents - 1) + 1 if latents else 0

    def filled(self, frames: int) -> int:
        """The least number of frames, not below `frames`, that makes whole latents."""
        return frames + (1 - frames) % self.temporal

    def span(self, latent: int) -> range:
        """The frames that a latent stands for; of latent 0's, all but the last lie before the video."""
        return range(self.temporal * (latent - 1) + 1, self.temporal * latent + 1)

    def pixels(self, latents: Tensor) -> tuple[int, int]:
        """Height and width of the frames of latents [..., h, w]."""
        height, width = latents.shape[-2:]
        return self.spatial * height, self.spatial * width

    def crop_step(self, patch: tuple[int, ...]) -> int:
        """Crops are multiples of this many pixels, so that whole patches (..., rows, columns) of latents cover them."""
        return self.spatial * math.lcm(*patch[-2:])

    def check_frames(self, frames: Tensor) -> None:
        """Raise SamplingError unless `frames` is [temporal k + 1, H, W, 3] with H and W multiples of `spatial`."""
        if frames.ndim != 4 or frames.shape[-1] != 3:
            raise SamplingError(f"the VAE takes frames [F, H, W, 3], but got {list(frames.shape)}")
        self.latents(frames.shape[0])
        height, width = frames.shape[1:3]
        if height % self.spatial or width % self.spatial or not height or not width:
            raise SamplingError(
                f"the VAE takes frames whose sides are multiples of {self.spatial}, but got {width}x{height}: "
                "choose another crop size"
            )

    def check_latents(self, latents: Tensor) -> None:
        """Raise SamplingError unless `latents` is [1, channels, f, h, w]."""
        if latents.ndim != 5 or latents.shape[0] != 1 or latents.shape[1] != self.channels:
            raise SamplingError(
                f"the VAE takes latents [1, {self.channels}, f, h, w], but got {list(latents.shape)}: "
                "the model and the VAE do not belong together"
            )


WAN_GRID = LatentGrid(channels=48, temporal=4, spatial=16)
"""The Wan2.2 VAE's, which the released model works on."""
