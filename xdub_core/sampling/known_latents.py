"""What is known of a clip before it is sampled: the border of its crops, and the frames that it takes over.

The border is locked to the reference, so that the crop fits its surroundings; the motion frames are the clip before's
last (released model §4). Both are put into what the model sees, and where they are, its prediction leads to them: so
any sampler, which knows nothing of them, arrives there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from xdub_core.sampling.samplers import Predict

MAX_SIGMA = 0.95
"""The border is never noised more than this, so the model always sees a trace of the reference there."""


@dataclass(frozen=True)
class KnownLatents:
    """The outermost `border` latent rows and columns of a clip (16 pixels each), and its first frames, `motion`.

    `reference`, `noise`: [batch, channels, frames, height, width], the clip's clean reference latents and its own
    initial noise. `motion`: [batch, channels, n, height, width], clean, or None; they have no locked border.
    """

    reference: Tensor
    noise: Tensor
    border: int = 1
    motion: Tensor | None = None

    def noised(self, latents: Tensor, sigma: float) -> Tensor:
        """`latents` as the model sees them at noise level `sigma`: the motion clean, and the border
        (1 - s) reference + s noise, s = min(sigma, 0.95)."""
        s = min(sigma, MAX_SIGMA)
        return self._with(latents, (1 - s) * self.reference + s * self.noise, self.motion)

    def clean(self, latents: Tensor) -> Tensor:
        """Clean `latents`, sampled or predicted, with what is known in its place."""
        return self._with(latents, self.reference, self.motion)

    def around(self, predict: Predict) -> Predict:
        """`predict` for a sampler. Where latents are known, the velocity is (x - clean) / sigma; of motion, none."""

        def velocity(x: Tensor, sigma: float) -> Tensor:
            predicted = predict(self.noised(x, sigma), sigma)
            towards_known = (x - self.clean(x)) / sigma
            return self._with(predicted, towards_known, towards_known[:, :, : self._motion_latents])

        return velocity

    @property
    def _motion_latents(self) -> int:
        return 0 if self.motion is None else self.motion.shape[2]

    def _with(self, latents: Tensor, border: Tensor, motion: Tensor | None) -> Tensor:
        placed = latents.clone()
        if motion is not None:
            placed[:, :, : self._motion_latents] = motion.to(latents)
        for rows, columns in self._rim():
            region = (..., slice(self._motion_latents, None), rows, columns)
            placed[region] = border[region].to(latents)
        return placed

    def _rim(self) -> Iterator[tuple[slice, slice]]:
        if self.border:
            every, first, last = slice(None), slice(None, self.border), slice(-self.border, None)
            yield from ((first, every), (last, every), (every, first), (every, last))
