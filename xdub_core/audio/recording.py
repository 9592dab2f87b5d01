"""A recording as both encoders hear it: 16 kHz mono float32, on disk rather than in RAM."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE, decode_mono
from xdub_core.audio.spool import RowSpool
from xdub_core.errors import MediaError
from xdub_core.media.sound.channels import mix_to_mono
from xdub_core.media.sound.resample import Resampler
from xdub_core.media.sound.sound_blocks import SoundReport
from xdub_core.media.sound.sound_place import AudioTrack

# wav2vec2's convolutions need 400 samples (25 ms) for one row of features; Whisper needs 320.
MIN_SAMPLES = 400


@dataclass(frozen=True)
class SoundStatistics:
    """Mean and population variance of `samples` samples, gathered block by block in float64."""

    samples: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def merged(self, other: SoundStatistics) -> SoundStatistics:
        """The statistics of both parts together (Chan, Golub and LeVeque 1979: no cancellation)."""
        total = self.samples + other.samples
        if total == 0:
            return self
        share = other.samples / total
        step = other.mean - self.mean
        variance = (1 - share) * self.variance + share * other.variance + share * (1 - share) * step**2
        return SoundStatistics(total, self.mean + share * step, variance)


def block_statistics(block: np.ndarray) -> SoundStatistics:
    """The statistics of one block [n]."""
    if block.size == 0:
        return SoundStatistics()
    block = block.astype(np.float64)
    return SoundStatistics(block.size, float(block.mean()), float(block.var()))


class Recording:
    """16 kHz mono float32 samples in an anonymous temporary file, with their statistics.

    Made by `open_recording` or `recording_from_waveform`; a context manager. Reading past either end gives zeros.

    Attributes:
        name: where the sound came from, for messages.
        samples: length in samples.
        mean, variance: of the whole recording (population variance), 0 for silence.
        intact: whether its file's packets may be copied (`SoundReport.intact`).
    """

    def __init__(self, spool: RowSpool, statistics: SoundStatistics, name: str) -> None:
        self.name = name
        self.intact = True
        self.samples = statistics.samples
        self.mean = statistics.mean
        self.variance = statistics.variance
        self._statistics = statistics
        self._spool = spool

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples [start, stop) as float32 [n]; zeros outside the recording."""
        block = np.zeros(max(0, stop - start), dtype=np.float32)
        first, last = max(start, 0), min(stop, self._spool.rows)
        if first < last:
            block[first - start : last - start] = self._spool.read(first, last)[:, 0]
        return block

    def blocks(self, size: int = 1 << 18) -> Iterator[np.ndarray]:
        """The whole recording in order, in blocks of at most `size` samples."""
        for start in range(0, self.samples, size):
            yield self.read(start, min(start + size, self.samples))

    def padded(self, samples: int) -> Recording:
        """The same recording followed by digital silence, `samples` long in all; never shorter than it is.

        Nothing is copied: both share one file, and closing either closes both.
        """
        silence = SoundStatistics(max(0, samples - self.samples))
        return Recording(self._spool, self._statistics.merged(silence), self.name)

    def close(self) -> None:
        """Remove the temporary file."""
        self._spool.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_recording(sound: str | Path | AudioTrack, spool_dir: str | Path | None = None) -> Recording:
    """Decode any file that PyAV can read (video containers too) to a `Recording`.

    One streaming pass: RAM does not grow with the length, the temporary file takes 3.8 MB a minute. A 16 kHz mono
    16-bit WAV comes through bit-exactly as int16 / 32768; other rates go through FFmpeg's resampler, more channels
    are mixed as `ffmpeg -ac 1` does. What cannot be decoded is passed over, with one warning that names the place.

    Args:
        sound: the file, from its first sample on; or its place on the clock of a dub (`place_sound`): then silence
            is put before it, or its beginning left out.
        spool_dir: folder of the temporary file; None takes the system's.

    Raises:
        MediaError: the file is missing, unreadable, has no sound, or is shorter than 400 samples; nothing of it can
            be decoded, or nothing is left of it; or the temporary folder is full.
    """
    track = sound if isinstance(sound, AudioTrack) else AudioTrack(Path(sound))
    report = SoundReport()
    recording = _spooled(decode_mono(track, report), str(track.path), spool_dir, track.start)
    report.warn(track.path)
    recording.intact = report.intact
    return recording


def recording_from_waveform(
    waveform: Any, sample_rate: int, spool_dir: str | Path | None = None, name: str = "the waveform"
) -> Recording:
    """A `Recording` of a waveform in memory (one item of ComfyUI's AUDIO): the same as of a file that holds it.

    Args:
        waveform: float [C, T], full scale at -1..1; a torch tensor (on any device) or a numpy array.
        sample_rate: its rate in Hz.
        spool_dir: folder of the temporary file; None takes the system's.
        name: what to call it in messages.

    Raises:
        MediaError: wrong shape or type, impossible rate, not a number inside, or shorter than 400 samples at 16 kHz.
    """
    if len(waveform.shape) != 2:
        raise MediaError(
            f"{name} has the shape {tuple(waveform.shape)}, not [channels, samples]: give one item of the batch."
        )
    if sample_rate <= 0:
        raise MediaError(
            f"{name} has a sample rate of {sample_rate} Hz: give the rate that it was recorded at."
        )
    return _spooled(_waveform_blocks(waveform, sample_rate), name, spool_dir)


def recording_from_blocks(
    blocks: Iterable[np.ndarray], name: str, spool_dir: str | Path | None = None
) -> Recording:
    """A `Recording` of 16 kHz mono float32 blocks [n]. Raises MediaError as `recording_from_waveform`."""
    return _spooled(blocks, name, spool_dir)


def _waveform_blocks(waveform: Any, sample_rate: int, size: int = 1 << 18) -> Iterator[np.ndarray]:
    resampler = Resampler(sample_rate, SAMPLE_RATE)
    for start in range(0, waveform.shape[1], size):
        block = waveform[:, start : start + size]
        if hasattr(block, "detach"):
            block = block.detach().float().cpu().numpy()
        mono = mix_to_mono(np.asarray(block, dtype=np.float32))
        yield from (out[0] for out in resampler.feed(mono[None]))
    yield from (out[0] for out in resampler.flush())


def _spooled(
    blocks: Iterable[np.ndarray], name: str, spool_dir: str | Path | None, left_out: float = 0.0
) -> Recording:
    spool = RowSpool(1, spool_dir)
    statistics = SoundStatistics()
    try:
        for block in blocks:
            spool.append(block)
            statistics = statistics.merged(block_statistics(block))
        _check(statistics, name, left_out)
    except BaseException:
        spool.close()
        raise
    return Recording(spool, statistics, name)


def _check(statistics: SoundStatistics, name: str, left_out: float) -> None:
    if statistics.samples < MIN_SAMPLES and left_out:
        raise MediaError(
            f"{name}: nothing is left of it when {left_out:.2f} seconds are cut from its beginning"
        )
    if statistics.samples == 0:
        raise MediaError(f"{name} is empty: it holds no sound at all.")
    if statistics.samples < MIN_SAMPLES:
        raise MediaError(
            f"{name} is too short: {statistics.samples} samples at 16 kHz, at least {MIN_SAMPLES} (25 ms) are needed."
        )
    if not math.isfinite(statistics.variance):
        raise MediaError(f"{name} holds values that are not numbers: export it again.")
