"""The clip plan: which frames and which latents belong to which clip. Made once, read by everybody (released model §5).

As released, a clip of 77 frames is 20 latent frames: the first holds one frame, every other one four. Each clip after
the first begins with the last 5 frames (2 latents) of the clip before, its motion frames, so a new clip starts every 72
frames. How many frames a latent holds is the VAE's to say.

The release samples 77 frames for a shot of one. Ours are fitted: as few clips, but all of a shot's are of the one
length that just covers it (`ClipGeometry.fitted_frames`); `benchmarks/sampled_frames.py` shows what that saves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdub_core.errors import SettingsError
from xdub_core.vae.grid import WAN_GRID, LatentGrid

CLIP_FRAMES = 77
MOTION_FRAMES = 5


@dataclass(frozen=True)
class ClipGeometry:
    """Greatest length of a clip, and its overlap with the clip before, in frames, each of them whole latents of `grid`.

    The grid of a dub is its VAE's: `on_grid`. Raises SettingsError for lengths that the VAE or the chain of clips
    cannot have.
    """

    frames: int = CLIP_FRAMES
    motion_frames: int = MOTION_FRAMES
    grid: LatentGrid = WAN_GRID

    def __post_init__(self) -> None:
        held = self.grid.temporal
        if held < 1:
            raise SettingsError(f"{held} frames a latent: the VAE must hold 1 or more")
        for name, frames in (("clip", self.frames), ("motion overlap", self.motion_frames)):
            if frames < 1 or self.grid.filled(frames) != frames:
                usual = f" ({CLIP_FRAMES} and {MOTION_FRAMES} by default)"
                raise SettingsError(
                    f"a {name} of {frames} frames, where a latent holds {held}: use a multiple of {held} plus 1"
                    + (usual if held == WAN_GRID.temporal else "")
                )
        if self.motion_frames >= self.frames:
            raise SettingsError(f"{self.motion_frames} motion frames in clips of {self.frames}: use fewer")

    @property
    def stride(self) -> int:
        """Frames from one clip's start to the next one's."""
        return self.frames - self.motion_frames

    @property
    def latents(self) -> int:
        return self.grid.latents(self.frames)

    @property
    def motion_latents(self) -> int:
        return self.grid.latents(self.motion_frames)

    def clips(self, frames: int) -> int:
        """How many clips cover a shot of so many frames."""
        return 1 + -(-max(0, frames - self.frames) // self.stride)

    def fitted_frames(self, frames: int) -> int:
        """The least length of a clip at which no more clips than of full length cover a shot of so many frames."""
        count = self.clips(frames)
        return self.grid.filled(-(-(frames + (count - 1) * self.motion_frames) // count))

    def on_grid(self, grid: LatentGrid) -> ClipGeometry:
        """The same lengths on a VAE's own grid. Raises SettingsError where they are no whole latents of it."""
        return replace(self, grid=grid)


RELEASED_GEOMETRY = ClipGeometry()


@dataclass(frozen=True)
class Clip:
    """One clip: the frames [start, stop) of the recording's 25-fps timeline."""

    number: int
    """Counted from 0 over the whole dub, whichever chain the clip belongs to: what names it everywhere."""
    start: int
    stop: int
    motion_frames: int
    """Leading frames that repeat the clip before: 0 for the first clip of a chain."""

    @property
    def frames(self) -> int:
        """How many it samples."""
        return self.stop - self.start

    @property
    def new_start(self) -> int:
        """The first frame that no earlier clip made."""
        return self.start + self.motion_frames


def padded_frames(frames: int, geometry: ClipGeometry = RELEASED_GEOMETRY) -> int:
    """The frames that clips of full length cover: `frames` rounded up to 77, 149, 221, ..."""
    return geometry.frames + geometry.stride * (geometry.clips(frames) - 1)


def plan_clips(
    frames: int,
    start: int = 0,
    geometry: ClipGeometry = RELEASED_GEOMETRY,
    first_number: int = 0,
    *,
    fitted: bool = True,
) -> tuple[Clip, ...]:
    """A chain of clips, all of one length, that cover the frames [start, start + frames) of the timeline.

    The last mostly runs past the end: by less than a latent a clip where they are `fitted`, else as far as clips of
    full length do. `first_number`: the number of clips in the chains before.

    Raises SettingsError when `frames` is below 1.
    """
    if frames < 1:
        raise SettingsError(f"{frames} frames to dub: at least 1 is needed")
    length = geometry.fitted_frames(frames) if fitted else geometry.frames
    stride = length - geometry.motion_frames
    starts = (start + place * stride for place in range(geometry.clips(frames)))
    return tuple(
        Clip(first_number + place, first, first + length, geometry.motion_frames if place else 0)
        for place, first in enumerate(starts)
    )
