"""What is dubbed: a video, the people in it whose lips change, and what each of them shall say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np

from xdub_core.audio.features import AudioFeatures
from xdub_core.dub.playback import Playback, ShownFrames, at_model_rate
from xdub_core.errors import SettingsError
from xdub_core.face.presence import fades
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import SourceFrame
from xdub_core.media.timeline import MODEL_FPS, Extend, Timeline, extended_slots

LONGEST_LEFT = 2.0
"""Seconds: through shorter pauses in which nothing of a change is shown, it is made all the same, so that what
follows continues what was before."""


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
    0 the source's own pixels, bit by bit. None: 1 everywhere. `bystanders`: everybody else's faces, through the same
    timeline; what is nearer to one of them stays as it is where boxes overlap.
    """

    track: FaceTrack
    features: AudioFeatures
    strength: np.ndarray | None = None
    bystanders: tuple[FaceTrack, ...] = ()

    @property
    def idle(self) -> np.ndarray | None:
        """Where nothing of it need be made, see `idle_frames`."""
        return idle_frames(self.strength)


@dataclass(frozen=True)
class Scene:
    """A video on its 25-fps timeline, and who speaks in it; where faces overlap, the later speaker covers the earlier.

    `frames`: how many frames the model makes, 25 a second; `extend`: how the video is made longer where it is shorter.
    `playback`: the source on its own clock, for an output that keeps it; None: the output's frames are the model's.

    Raises SettingsError where nobody speaks, a face was tracked through another timeline, or a strength is not one for
    each frame.
    """

    source: FrameSource
    timeline: Timeline
    speakers: tuple[Speaker, ...]
    frames: int
    extend: Extend = Extend.BOUNCE
    playback: Playback | None = None

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
        """The timeline's slot that each of the model's frames shows, int64 [frames]."""
        return self.slots_for(self.frames)

    def slots_for(self, frames: int) -> np.ndarray:
        """The same for the first so many of them, also for more than the model makes: what it sees past the end."""
        if self.playback is not None:
            return self.playback.slots(frames)
        return extended_slots(len(self.timeline), self.frames, self.extend)(frames)

    @property
    def shown(self) -> ShownFrames:
        """The frames of the output."""
        if self.playback is not None:
            return self.playback.shown(self.frames)
        return at_model_rate(self.timeline, self.slots)

    @property
    def first_pass(self) -> Fraction:
        """Seconds until which the output has the source's own clock, however it goes on after; 0 where it is slowed."""
        own = (
            Fraction(len(self.timeline), int(MODEL_FPS)) if self.playback is None else self.playback.clock.end
        )
        ends = self.shown.clock.end
        return Fraction(0) if self.extend is Extend.SLOW and ends > own else min(ends, own)

    def boxes(self) -> Iterator[list[np.ndarray]]:
        """For each output frame the boxes of the speakers' faces that are there."""
        tracks = [speaker.track for speaker in self.speakers]
        slots = self.slots_for(self.frames + 1)
        for place in np.rint(self.shown.place).astype(np.int64):
            yield [track.boxes[slots[place]] for track in tracks if track.present[slots[place]]]


def idle_frames(strength: np.ndarray | None) -> np.ndarray | None:
    """Where a strength [frames] is 0 for so long (`LONGEST_LEFT`) that nothing need be made: bool [frames]."""
    if strength is None:
        return None
    edges = np.flatnonzero(np.diff(strength <= 0, prepend=False, append=False)).reshape(-1, 2)
    idle = np.zeros(len(strength), bool)
    for start, stop in edges[edges[:, 1] - edges[:, 0] > LONGEST_LEFT * MODEL_FPS]:
        idle[start:stop] = True
    return idle


def faded(track: FaceTrack, strength: np.ndarray | None, slots: np.ndarray) -> np.ndarray | None:
    """A speaker's strength in the frames that show these slots, float32, with the change coming and going as the face
    does (see `face.presence.fades`); None for all of it everywhere."""
    coming = fades(track.present, track.cuts)
    if coming is None:
        return strength
    return coming[slots] if strength is None else coming[slots] * strength.astype(np.float32)


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
