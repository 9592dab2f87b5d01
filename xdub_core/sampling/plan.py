"""The clip plan: which frames and which latents belong to which clip. Made once, read by everybody (X-DUB facts §5).

A clip of 77 frames is 20 latent frames: the first holds one frame, every other one four. Each clip after the first
begins with the last 5 frames (2 latents) of the clip before, its motion frames, so a new clip starts every 72 frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xdub_core.errors import SettingsError

FPS = 25.0
AUDIO_RATE = 16000
FRAMES_PER_LATENT = 4
CLIP_FRAMES = 77
MOTION_FRAMES = 5


@dataclass(frozen=True)
class ClipGeometry:
    """Length of a clip and of its overlap with the clip before, in frames; both are 4n + 1.

    Raises SettingsError for lengths that the causal VAE or the chain of clips cannot have.
    """

    frames: int = CLIP_FRAMES
    motion_frames: int = MOTION_FRAMES

    def __post_init__(self) -> None:
        for name, frames in (("clip", self.frames), ("motion overlap", self.motion_frames)):
            if frames < 1 or (frames - 1) % FRAMES_PER_LATENT:
                raise SettingsError(
                    f"a {name} of {frames} frames: use a multiple of 4 plus 1 (77 and 5 by default)"
                )
        if self.motion_frames >= self.frames:
            raise SettingsError(f"{self.motion_frames} motion frames in clips of {self.frames}: use fewer")

    @property
    def stride(self) -> int:
        """Frames from one clip's start to the next one's."""
        return self.frames - self.motion_frames

    @property
    def latents(self) -> int:
        return latent_frames(self.frames)

    @property
    def motion_latents(self) -> int:
        return latent_frames(self.motion_frames)


RELEASED_GEOMETRY = ClipGeometry()


@dataclass(frozen=True)
class Clip:
    """One clip: the frames [start, stop) of the recording's 25-fps timeline."""

    index: int
    start: int
    stop: int
    motion_frames: int
    """Leading frames that repeat the clip before: 0 for the first clip."""

    @property
    def new_start(self) -> int:
        """The first frame that no earlier clip made."""
        return self.start + self.motion_frames


def latent_frames(frames: int) -> int:
    """Latent frames of a causal video VAE for 4n + 1 frames."""
    return (frames - 1) // FRAMES_PER_LATENT + 1


def pixel_frames(latents: int) -> int:
    """Frames that `latents` latent frames decode to, from the start of a video."""
    return (latents - 1) * FRAMES_PER_LATENT + 1


def frames_of_audio(samples: int, sample_rate: int = AUDIO_RATE, fps: float = FPS) -> int:
    """Frames that a recording lasts, rounded up."""
    return -int(-samples * fps // sample_rate)


class Length(str, Enum):
    """How long the output is."""

    AUDIO = "audio"
    SOURCE = "source"
    SHORTEST = "shortest"
    LONGEST = "longest"


def output_frames(video_frames: int, audio_frames: int, length: Length) -> int:
    """Frames at 25 fps that the output has."""
    return {
        Length.AUDIO: audio_frames,
        Length.SOURCE: video_frames,
        Length.SHORTEST: min(video_frames, audio_frames),
        Length.LONGEST: max(video_frames, audio_frames),
    }[length]


def padded_frames(frames: int, geometry: ClipGeometry = RELEASED_GEOMETRY) -> int:
    """The frames that whole clips cover: `frames` rounded up to 77, 149, 221, ..."""
    beyond_first = max(0, frames - geometry.frames)
    return geometry.frames + geometry.stride * -(-beyond_first // geometry.stride)


def plan_clips(frames: int, start: int = 0, geometry: ClipGeometry = RELEASED_GEOMETRY) -> tuple[Clip, ...]:
    """Clips that cover the frames [start, start + frames) of the timeline, the last one running past the end.

    Raises SettingsError when `frames` is below 1.
    """
    if frames < 1:
        raise SettingsError(f"{frames} frames to dub: at least 1 is needed")
    count = 1 + (padded_frames(frames, geometry) - geometry.frames) // geometry.stride
    starts = (start + index * geometry.stride for index in range(count))
    return tuple(
        Clip(index, first, first + geometry.frames, geometry.motion_frames if index else 0)
        for index, first in enumerate(starts)
    )
