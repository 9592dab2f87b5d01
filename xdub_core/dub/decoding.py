"""Where the decoding of a shot stands: clips are stitched and decoded as one stream, and trials can branch off."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from xdub_core.dub.crops import Crop
from xdub_core.dub.stitch import LatentStitcher
from xdub_core.vae.counted_stream import CountedStream
from xdub_core.vae.protocol import VideoVAE

Decoded = tuple[list[Crop], Crop]
"""A frame as each stream decodes it, and its source crop."""


@dataclass
class Decoding:
    """One or more latent videos of a shot, decoded side by side: the generated one and, where wanted, its reference.

    `waiting`: the source crops of frames that are not decoded yet, in order.
    """

    stitcher: LatentStitcher
    streams: list[CountedStream]
    waiting: deque[Crop]

    @classmethod
    def of(cls, vae: VideoVAE, videos: Literal[1, 2], motion_latents: int) -> Decoding:
        """At the beginning of a shot."""
        return cls(LatentStitcher(motion_latents), [CountedStream(vae) for _ in range(videos)], deque())

    def fork(self) -> Decoding:
        """Another that goes on from here by itself, so that what comes next can be looked at and thrown away."""
        return Decoding(copy(self.stitcher), [stream.fork() for stream in self.streams], deque(self.waiting))

    def add(self, latents: Tensor) -> Iterator[Decoded]:
        """The frames that a clip's latents [videos, C, f, h, w] make final."""
        return self._decoded(self.stitcher.add(latents))

    def finish(self) -> Iterator[Decoded]:
        """The frames of the last latent, when no clip comes any more."""
        last = self.stitcher.finish()
        return iter(()) if last is None else self._decoded(last)

    def provisional(self, videos: int) -> list[Decoded]:
        """The frames of the latent that the next clip will be averaged into, as the first `videos` show them now."""
        assert self.stitcher.pending is not None  # a clip was added
        pending = self.stitcher.pending[:videos].split(1)
        peeked = [stream.peek(latent) for stream, latent in zip(self.streams, pending, strict=False)]
        return list(zip(_frames(peeked), self.waiting, strict=False))

    def _decoded(self, latents: Tensor) -> Iterator[Decoded]:
        for latent in latents.split(1, dim=2):
            pieces = zip(self.streams, latent.split(1), strict=True)
            for frames in _frames([stream.decode(piece) for stream, piece in pieces]):
                yield frames, self.waiting.popleft()


def _frames(videos: Iterable[Tensor]) -> Iterator[list[np.ndarray]]:
    """Videos [n, S, S, 3] frame by frame, float32 on the CPU."""
    for frames in zip(
        *(video.to(dtype=torch.float32, device="cpu").numpy() for video in videos), strict=True
    ):
        yield list(frames)
