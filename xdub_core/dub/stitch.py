"""Latent stitching: clips to one seamless run of latents, as they come (released model §5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from xdub_core.dub.clip_plan import RELEASED_GEOMETRY


class LatentStitcher:
    """Joins clips: the last latent of a clip becomes the mean of itself and the next clip's last motion latent.

    That last latent is therefore provisional (`pending`) until the next clip is there. Memory: one latent frame. With
    a single motion latent, which shows one frame where `pending` shows four, `pending` stays as it is.
    """

    def __init__(self, motion_latents: int = RELEASED_GEOMETRY.motion_latents) -> None:
        self.motion_latents = motion_latents
        self.pending: Tensor | None = None
        """The provisional last latent, [batch, channels, 1, height, width]."""

    def add(self, latents: Tensor) -> Tensor:
        """Take a clip [batch, channels, frames, height, width]; return the latents that are now final."""
        if self.pending is None:
            final = latents[:, :, :-1]
        else:
            motion = self.motion_latents
            repeated = latents[:, :, motion - 1 : motion] if motion > 1 else self.pending
            seam = (self.pending + repeated) / 2
            final = torch.cat([seam, latents[:, :, motion:-1]], dim=2)
        self.pending = latents[:, :, -1:].clone()
        return final

    def finish(self) -> Tensor | None:
        """The last latent of all (None when no clip came)."""
        final, self.pending = self.pending, None
        return final


def stitched(clips: Iterable[Tensor], motion_latents: int) -> Iterator[Tensor]:
    """The latents of stitched clips as they become final, [batch, channels, some, height, width]."""
    stitcher = LatentStitcher(motion_latents)
    yield from map(stitcher.add, clips)
    if (last := stitcher.finish()) is not None:
        yield last


def stitch(clips: Iterable[Tensor], motion_latents: int = RELEASED_GEOMETRY.motion_latents) -> Tensor:
    """All clips' latents as one tensor: f latents for the first clip, f - `motion_latents` for each further one."""
    return torch.cat(list(stitched(clips, motion_latents)), dim=2)
