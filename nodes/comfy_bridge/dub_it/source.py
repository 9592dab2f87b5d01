"""A video to dub that is read when it is needed, a segment at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.decode import decode_waveform
from xdub_core.dub_it.segments import Segment
from xdub_core.dub_it.times import check_frames, samples

from ..media.footage import footage_from_video
from ..media.frames import Footage, image_from_frame
from ..media.sound import own_sound


@dataclass(frozen=True)
class Clip:
    """A source in memory: `images` [frames, height, width, 3 or more] in 0..1, and its sound, an AUDIO or None."""

    images: Tensor
    fps: Fraction
    audio: Mapping[str, Any] | None


@dataclass(frozen=True)
class Source:
    """A video, and its sound, an AUDIO or None."""

    footage: Footage
    fps: Fraction
    audio: Mapping[str, Any] | None

    @property
    def frames(self) -> int:
        """All of them."""
        return len(self.footage.clock)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.footage.width, self.footage.height

    @property
    def whole(self) -> Segment:
        """All of it, as one segment."""
        return Segment(0, self.frames)

    def clip(self, segment: Segment) -> Clip:
        """A segment in memory, with its sound."""
        wanted = self.footage.source.frames(np.arange(segment.start, segment.stop))
        return Clip(torch.stack([image_from_frame(frame) for frame in wanted]), self.fps, self.sound(segment))

    def sound(self, segment: Segment) -> dict[str, Any] | None:
        """The segment's AUDIO; None where the video has none there."""
        if self.audio is None:
            return None
        rate = self.audio["sample_rate"]
        start, stop = (samples(edge, self.fps, rate) for edge in (segment.start, segment.stop))
        part = self.audio["waveform"][..., start:stop]
        return {"waveform": part, "sample_rate": rate} if part.shape[-1] else None


def source_of(video: Any) -> Source:
    """A VIDEO. Raises MediaError where it cannot be read or is too short."""
    footage = footage_from_video(video, nearest=True)  # as Face Crop chooses the frames of its slots
    check_frames(len(footage.clock))
    if footage.info is None:
        audio = video.get_components().audio
    else:
        track = own_sound(footage)
        waveform, rate = (None, 0) if track is None else decode_waveform(track)
        audio = (
            None if waveform is None else {"waveform": torch.from_numpy(waveform)[None], "sample_rate": rate}
        )
    return Source(footage, footage.clock.rate, audio)
