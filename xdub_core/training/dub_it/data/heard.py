"""Parts of clips as they are judged, and where somebody speaks in them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.recording import open_recording
from xdub_core.audio.voice_activity import Span, speech_spans
from xdub_core.dub_it.times import samples
from xdub_core.evaluation.dub_it.video import Spoken

from .carried import read_frames


def clip_speech(sound: Path) -> tuple[Span, ...]:
    """Where somebody speaks in a sound file, in seconds."""
    with open_recording(sound) as recording:
        return speech_spans(recording)


def spoken_part(video: Path, sound: Path, frames: range, fps: Fraction) -> Spoken:
    """Frames of a video with the sound of the same time, from another file."""
    start, stop = (samples(edge, fps, SAMPLE_RATE) for edge in (frames.start, frames.stop))
    with open_recording(sound) as recording:
        heard = recording.read(start, min(stop, recording.samples))
    return Spoken(read_frames(video, frames), fps, heard, len(heard) / SAMPLE_RATE)
