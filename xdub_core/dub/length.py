"""How long a dub is, in frames of the model's 25 a second or on the source's own clock."""

from __future__ import annotations

from enum import Enum
from fractions import Fraction

from xdub_core.audio.recording import SAMPLE_RATE
from xdub_core.media.timeline import MODEL_FPS


class Length(str, Enum):
    """How long the output is."""

    AUDIO = "audio"
    SOURCE = "source"
    SHORTEST = "shortest"
    LONGEST = "longest"


class FrameRate(str, Enum):
    """Which frames the output has: the source's own at their own times, or the model's, 25 a second."""

    SOURCE = "source"
    MODEL = "25"


def frames_of_audio(samples: int) -> int:
    """Frames that so many samples of a recording (at 16 kHz) last, rounded up."""
    return -int(-samples * MODEL_FPS // SAMPLE_RATE)


def output_end(video_frames: int, audio_samples: int, length: Length) -> Fraction | None:
    """Seconds at which an output on the source's own clock ends; None: where the source does.

    `video_frames`: of the model, and `audio_samples` at 16 kHz. It lasts as long as `output_frames` says, but to the
    sample where that is the recording's length.
    """
    audio_frames = frames_of_audio(audio_samples)
    of_audio = length is Length.AUDIO or (
        length is not Length.SOURCE and output_frames(video_frames, audio_frames, length) != video_frames
    )
    return Fraction(audio_samples, SAMPLE_RATE) if of_audio else None


def output_frames(video_frames: int, audio_frames: int, length: Length) -> int:
    """Frames that the output has."""
    return {
        Length.AUDIO: audio_frames,
        Length.SOURCE: video_frames,
        Length.SHORTEST: min(video_frames, audio_frames),
        Length.LONGEST: max(video_frames, audio_frames),
    }[length]
