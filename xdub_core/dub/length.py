"""How long a dub is, in frames of the model's 25 a second."""

from __future__ import annotations

from enum import Enum

from xdub_core.audio.recording import SAMPLE_RATE
from xdub_core.media.timeline import MODEL_FPS


class Length(str, Enum):
    """How long the output is."""

    AUDIO = "audio"
    SOURCE = "source"
    SHORTEST = "shortest"
    LONGEST = "longest"


def frames_of_audio(samples: int) -> int:
    """Frames that so many samples of a recording (at 16 kHz) last, rounded up."""
    return -int(-samples * MODEL_FPS // SAMPLE_RATE)


def output_frames(video_frames: int, audio_frames: int, length: Length) -> int:
    """Frames that the output has."""
    return {
        Length.AUDIO: audio_frames,
        Length.SOURCE: video_frames,
        Length.SHORTEST: min(video_frames, audio_frames),
        Length.LONGEST: max(video_frames, audio_frames),
    }[length]
