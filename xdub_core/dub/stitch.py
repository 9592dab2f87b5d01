"""Latent stitching: clips to one seamless run of latents, as they come (released model §5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

MOTION_LATENTS = 2
"""Leading latents of a continuing clip that repeat the clip before: the released model's 5 frames."""


class LatentStitcher:
    """Joins clips: the last latent of a clip becomes the mean of itself and the next clip's last motion latent.

    That last latent is therefore provisional (`pending`) until the next clip is there. Memory: one latent frame. With
    a single motion latent, which shows one frame where `pending` shows four, `pending` stays as it is.
    """

    def __init__(self, motion_latents: int = MOTION_LATENTS) -> None:
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


def stitch(clips: Iterable[Tensor], motion_latents: int = MOTION_LATENTS) -> Tensor:
    """All clips' latents as one tensor: f latents for the first clip, f - `motion_latents` for each further one."""
    return torch.cat(list(_stitched(clips, motion_latents)), dim=2)


def _stitched(clips: Iterable[Tensor], motion_latents: int) -> Iterator[Tensor]:
    stitcher = LatentStitcher(motion_latents)
    yield from (stitcher.add(clip) for clip in clips)
    if (last := stitcher.finish()) is not None:
        yield last
