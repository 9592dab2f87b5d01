"""Videos as they are judged: frames that are read when they are looked at, and mono sound at 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import overload

import numpy as np

from xdub_core.audio.recording import open_recording
from xdub_core.errors import MediaError
from xdub_core.media.sound.sound_place import place_sound
from xdub_core.media.video.reader import VideoReader


@dataclass(frozen=True)
class Spoken:
    """A video with sound. `frames`: uint8 [H, W, 3] at `fps`; `sound`: mono, float [samples] at 16 kHz; its seconds."""

    frames: Sequence[np.ndarray]
    fps: Fraction
    sound: np.ndarray
    seconds: float


class VideoFrames(Sequence[np.ndarray]):
    """The frames of a video file, uint8 [H, W, 3], decoded when they are asked for. Raises MediaError."""

    def __init__(self, path: Path) -> None:
        self._reader = VideoReader(path)
        self.fps = Fraction(self._reader.info.fps).limit_denominator(1001)

    def __len__(self) -> int:
        return self._reader.info.frames

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [_eight_bit(frame) for frame in self._reader.frames(range(*index.indices(len(self))))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return _eight_bit(next(self._reader.frames([index % len(self)])))

    def close(self) -> None:
        """Let the file go."""
        self._reader.close()


def open_spoken(path: Path) -> Spoken:
    """A video file with its sound; one without has none. Raises MediaError where its picture cannot be read."""
    frames = VideoFrames(path)
    try:
        with open_recording(place_sound(path)) as recording:
            sound = recording.read(0, recording.samples)
            seconds = recording.seconds
    except MediaError:
        sound, seconds = np.zeros(0, np.float32), 0.0
    return Spoken(frames, frames.fps, sound, seconds)


def close_spoken(video: Spoken) -> None:
    """Let its file go."""
    if isinstance(video.frames, VideoFrames):
        video.frames.close()


def _eight_bit(frame: np.ndarray) -> np.ndarray:
    return frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8)
