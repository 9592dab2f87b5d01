"""A VAE's stream whose frames are counted: what loses or invents one is told, and not shown out of step."""

from __future__ import annotations

from copy import copy

from torch import Tensor

from xdub_core.errors import SamplingError
from xdub_core.vae.protocol import VideoVAE


class CountedStream:
    """A VAE's stream that raises SamplingError where latents decode to other numbers of frames than they hold."""

    def __init__(self, vae: VideoVAE) -> None:
        self._stream, self._grid = vae.stream(), vae.grid
        self._started = False

    def decode(self, latents: Tensor) -> Tensor:
        """See `StreamingDecoder.decode`."""
        frames = self._counted(self._stream.decode(latents), latents)
        self._started = self._started or latents.shape[2] > 0
        return frames

    def peek(self, latents: Tensor) -> Tensor:
        """See `StreamingDecoder.peek`."""
        return self._counted(self._stream.peek(latents), latents)

    def fork(self) -> CountedStream:
        """Another stream that goes on from here by itself."""
        twin = copy(self)
        twin._stream = copy(self._stream)
        return twin

    def rest(self) -> None:
        """See `StreamingDecoder.rest`."""
        self._stream.rest()

    def _counted(self, frames: Tensor, latents: Tensor) -> Tensor:
        grid, count = self._grid, latents.shape[2]
        held = grid.temporal * count if self._started else grid.frames(count)
        if len(frames) != held:
            raise SamplingError(
                f"the VAE decoded {len(frames)} frames of latents that hold {held} ({grid.temporal} each): use "
                "another VAE"
            )
        return frames
