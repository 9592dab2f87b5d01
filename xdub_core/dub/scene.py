"""What is dubbed: a video, the people in it whose lips change, and what each of them shall say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from xdub_core.audio.features import AudioFeatures
from xdub_core.errors import SettingsError
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import SourceFrame
from xdub_core.media.timeline import Extend, Timeline, shown_slots


class FrameSource(Protocol):
    """The source video, by the number of its frames. Several passes may run at once, each with its own position."""

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The asked frames, in the asked order: uint8 or uint16 [height, width, 3] RGB."""
        ...


@runtime_checkable
class StoredFrameSource(FrameSource, Protocol):
    """A source that also knows how its file stores each frame: what is not dubbed can be written without any loss."""

    def source_frames(self, indices: Iterable[int]) -> Iterator[SourceFrame]:
        """The asked frames, in the asked order."""
        ...


def source_frames(source: FrameSource, indices: Iterable[int]) -> Iterator[SourceFrame]:
    """Frames of any source, with the pictures that its file stores where there is one."""
    if isinstance(source, StoredFrameSource):
        return source.source_frames(indices)
    return (SourceFrame(frame) for frame in source.frames(indices))


@dataclass(frozen=True)
class Speaker:
    """A person whose lips change: the face in each slot of the scene's timeline, and the speech from frame 0 on.

    `strength`: float [scene.frames] in 0..1, how much of the change goes into each frame of the scene: 1 is all of it,
    0 the source's own pixels, bit by bit. None: 1 everywhere.
    """

    track: FaceTrack
    features: AudioFeatures
    strength: np.ndarray | None = None


@dataclass(frozen=True)
class Scene:
    """A video on its 25-fps timeline, and who speaks in it; where faces overlap, the later speaker covers the earlier.

    `frames`: how many frames to make; `extend`: how the video is made longer where it is shorter.

    Raises SettingsError where nobody speaks, a face was tracked through another timeline, or a strength is not one for
    each frame.
    """

    source: FrameSource
    timeline: Timeline
    speakers: tuple[Speaker, ...]
    frames: int
    extend: Extend = Extend.BOUNCE

    def __post_init__(self) -> None:
        if not self.speakers:
            raise SettingsError("a scene without a speaker: say whose lips shall change")
        for number, speaker in enumerate(self.speakers, 1):
            if len(speaker.track) != len(self.timeline):
                raise SettingsError(
                    f"speaker {number}'s face was tracked through {len(speaker.track)} frames, but the video has "
                    f"{len(self.timeline)}: track it through this video"
                )
            _check_strength(speaker.strength, self.frames, number)

    @property
    def slots(self) -> np.ndarray:
        """The timeline's slot that each output frame shows, int64 [frames]."""
        return shown_slots(len(self.timeline), self.frames, self.extend)

    def boxes(self) -> Iterator[list[np.ndarray]]:
        """For each output frame the boxes of the speakers' faces that are there."""
        tracks = [speaker.track for speaker in self.speakers]
        for slot in self.slots:
            yield [track.boxes[slot] for track in tracks if track.present[slot]]


def _check_strength(strength: np.ndarray | None, frames: int, number: int) -> None:
    if strength is None:
        return
    if strength.shape != (frames,):
        raise SettingsError(
            f"speaker {number}'s strength is of the shape {list(strength.shape)}, not [{frames}]: give one number for "
            "each frame"
        )
    if not ((strength >= 0) & (strength <= 1)).all():  # nan is neither
        raise SettingsError(f"speaker {number}'s strength leaves the range 0 to 1")
