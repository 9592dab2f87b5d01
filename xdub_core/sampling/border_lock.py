"""The border lock: the crop's rim is held to the reference, so that it fits its surroundings (released model §4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

MAX_SIGMA = 0.95
"""The rim is never noised more than this, so the model always sees a trace of the reference there."""


@dataclass(frozen=True)
class BorderLock:
    """Holds the outermost `width` latent rows and columns (16 pixels each) of a clip to its reference.

    `reference`, `noise`: [batch, channels, frames, height, width], the clip's clean reference latents and its own
    initial noise. The first `free_frames` latent frames are left alone (motion latents).
    """

    reference: Tensor
    noise: Tensor
    width: int = 1
    free_frames: int = 0

    def apply(self, latents: Tensor, sigma: float) -> Tensor:
        """`latents` with the rim at noise level `sigma`: (1 - s) reference + s noise, s = min(sigma, 0.95)."""
        s = min(sigma, MAX_SIGMA)
        return self._with_rim(latents, (1 - s) * self.reference + s * self.noise if s else self.reference)

    def _with_rim(self, latents: Tensor, rim: Tensor) -> Tensor:
        locked = latents.clone()
        for rows, columns in self._rim():
            region = (..., slice(self.free_frames, None), rows, columns)
            locked[region] = rim[region].to(latents)
        return locked

    def _rim(self) -> Iterator[tuple[slice, slice]]:
        if self.width:
            every, first, last = slice(None), slice(None, self.width), slice(-self.width, None)
            yield from ((first, every), (last, every), (every, first), (every, last))
