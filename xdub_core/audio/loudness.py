"""How loud a video's own sound is, frame by frame: for who speaks in it."""

from __future__ import annotations

import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE, decode_mono
from xdub_core.audio.recording import Recording
from xdub_core.media.sound.sound_blocks import SoundReport
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.timeline import MODEL_FPS

_SAMPLES = round(SAMPLE_RATE / MODEL_FPS)
_AT_ONCE = 1500  # frames; a minute


def loudness(track: AudioTrack, frames: int) -> np.ndarray:
    """The root mean square of the sound during each of `frames` frames at 25 fps, float32 [frames], 0 for silence.

    One streaming pass. Raises MediaError as `decode_mono`.
    """
    powers, rest = np.zeros(frames, np.float32), np.zeros(0, np.float32)
    done = 0
    for block in decode_mono(track, SoundReport()):
        samples = np.concatenate([rest, block])
        whole = min(len(samples) // _SAMPLES, frames - done)
        powers[done : done + whole] = _power(samples[: whole * _SAMPLES].reshape(whole, _SAMPLES))
        done, rest = done + whole, samples[whole * _SAMPLES :]
        if done == frames:
            break
    if done < frames and len(rest):
        powers[done] = np.square(rest, dtype=np.float64).sum() / _SAMPLES
    return np.sqrt(powers)


def recording_loudness(recording: Recording, frames: int) -> np.ndarray:
    """The same of a recording that is read already, float32 [frames]."""
    powers = np.zeros(frames, np.float32)
    for first in range(0, frames, _AT_ONCE):
        last = min(frames, first + _AT_ONCE)
        samples = recording.read(first * _SAMPLES, last * _SAMPLES)
        powers[first:last] = _power(samples.reshape(-1, _SAMPLES))
    return np.sqrt(powers)


def _power(samples: np.ndarray) -> np.ndarray:
    return np.square(samples, dtype=np.float64).mean(1)
