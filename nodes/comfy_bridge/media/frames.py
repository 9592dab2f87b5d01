"""Pictures between ComfyUI and the engine: float images in 0..1 there, 8- or 16-bit frames here. Needs no ComfyUI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from xdub_core.dub.scene import FrameSource, StoredFrameSource
from xdub_core.errors import MediaError
from xdub_core.media.picture.frame import SourceFrame
from xdub_core.media.timeline import (
    MODEL_FPS,
    FrameClock,
    Timeline,
    constant_clock,
    timeline_from_timestamps,
)
from xdub_core.media.video.video_info import VideoInfo


@dataclass(frozen=True)
class Footage:
    """A source video: its frames, which of them each slot of 25 fps shows, its size in pixels, and when they appear.

    `info`: facts about the file that a video like it takes over; None where the frames were pictures in memory.
    `deep`: whether frames are 16-bit. `bit_depth`: of a video that is made of it; written as 8 or 10 bits. `begins`:
    seconds of the file that are left out before the first frame.
    """

    source: FrameSource
    timeline: Timeline
    width: int
    height: int
    clock: FrameClock
    info: VideoInfo | None = None
    deep: bool = False
    bit_depth: int = 8
    begins: float = 0.0

    def slots(self) -> Iterator[np.ndarray]:
        """The frames that the timeline's slots show, in order."""
        return self.source.frames(self.timeline.source_index)


@dataclass(frozen=True)
class PartOfSource:
    """A `StoredFrameSource` of a longer one's frames from number `first` on, which are counted from 0."""

    source: StoredFrameSource
    first: int

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The frames asked for, in that order."""
        return self.source.frames(index + self.first for index in indices)

    def source_frames(self, indices: Iterable[int]) -> Iterator[SourceFrame]:
        """The same frames, each with the picture that the file stores of it."""
        return self.source.source_frames(index + self.first for index in indices)


@dataclass(frozen=True)
class TensorFrames:
    """A `FrameSource` of an IMAGE [n, H, W, 3 or 4] in 0..1; transparency is dropped. With `deep`, 16-bit frames."""

    images: Tensor
    deep: bool

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The frames asked for, in that order."""
        for index in indices:
            yield frame_from_image(self.images[int(index)], self.deep)


def frame_from_image(image: Tensor, deep: bool) -> np.ndarray:
    """A picture [H, W, 3 or 4] in 0..1 as uint8, or uint16 where `deep`, [H, W, 3]; 8-bit values stay what they are."""
    scale, kind = (65535, np.uint16) if deep else (255, np.uint8)
    return (image[..., :3].float() * scale).round().clamp(0, scale).cpu().numpy().astype(kind)


def image_from_frame(frame: np.ndarray) -> Tensor:
    """A frame [H, W, 3] of uint8 or uint16 as a picture, float32 in 0..1."""
    return torch.from_numpy(frame.astype(np.float32) / np.float32(np.iinfo(frame.dtype).max))


def footage_from_images(
    images: Tensor, fps: float, deep: bool = True, bit_depth: int = 8, nearest: bool = False
) -> Footage:
    """An IMAGE batch, shown at `fps` pictures a second. Raises MediaError where there is none.

    Its frames are 16-bit, so that an IMAGE made of them is as exact; a video made of them has 8 bits unless it is known
    to want more, as with ComfyUI's own Create Video.
    """
    if images.ndim != 4 or not len(images):
        raise MediaError(f"the source images have shape {list(images.shape)}: connect a batch of frames")
    count, height, width, _ = images.shape
    timeline = timeline_from_timestamps(np.arange(count) / fps, count / fps, MODEL_FPS, nearest)
    clock = constant_clock(count, Fraction(fps).limit_denominator(1001))
    return Footage(TensorFrames(images, deep), timeline, width, height, clock, deep=deep, bit_depth=bit_depth)
