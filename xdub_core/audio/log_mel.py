"""Whisper's log-mel spectrogram of a whole recording, computed block by block (released model §3).

    M = log10(max(1e-10, F |STFT(x)|²)),   out = (max(M, max M - 8) + 4) / 4

`max M` is taken over the whole recording, so a first pass finds it; after that any stretch can be computed alone.
transformers' WhisperFeatureExtractor computes the same, but of a sound that is in RAM as a whole, all at once.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.recording import Recording
from xdub_core.errors import MediaError

N_FFT = 400
HOP = 160
MEL_BINS = 80
BLOCK_FRAMES = 3000
DYNAMIC_RANGE = 8.0  # decades below the maximum that are kept


def hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale: linear (3 mel per 200 Hz) below 1 kHz, logarithmic (27 mel per factor of 6.4) above."""
    linear = 3 * hertz / 200
    with np.errstate(divide="ignore"):
        logarithmic = 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
    return np.where(hertz < 1000, linear, logarithmic)


def mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `hertz_to_mel`."""
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_filters(bins: int = MEL_BINS, n_fft: int = N_FFT, rate: int = SAMPLE_RATE) -> torch.Tensor:
    """Triangular filters [bins, n_fft // 2 + 1] evenly spaced on Slaney's scale from 0 to rate / 2, of equal area."""
    frequencies = np.linspace(0, rate / 2, n_fft // 2 + 1)
    edges = mel_to_hertz(np.linspace(0, hertz_to_mel(np.array(rate / 2)), bins + 2))
    widths = np.diff(edges)[:, None]
    rising = (frequencies - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - frequencies) / widths[1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = 2 / (edges[2:] - edges[:-2])
    return torch.from_numpy((triangles * area[:, None]).astype(np.float32))


class LogMel:
    """The log-mel frames of a recording, 100 a second, on demand.

    Args:
        recording: the sound.
        bins: mel bins.

    Attributes:
        frames: samples // 160: the last frame of the centred STFT is dropped.
    """

    def __init__(self, recording: Recording, bins: int = MEL_BINS) -> None:
        if recording.samples <= N_FFT // 2:
            raise MediaError(f"{recording.name} is too short for a spectrogram: {recording.samples} samples.")
        self.recording = recording
        self.bins = bins
        self.frames = recording.samples // HOP
        self._filters = mel_filters(bins)
        self._window = torch.hann_window(N_FFT)

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Frames [start, stop) within 0..frames as float32 [bins, n], scaled as Whisper expects."""
        return (self.raw(start, stop).clamp(min=self.maximum - DYNAMIC_RANGE) + 4) / 4

    @cached_property
    def maximum(self) -> float:
        """The largest log10 energy of the whole recording (one pass over it, the first time)."""
        starts = range(0, self.frames, BLOCK_FRAMES)
        # Plain numbers: small tensors kept between large blocks would keep the heap from shrinking.
        return max(self.raw(s, min(s + BLOCK_FRAMES, self.frames)).max().item() for s in starts)

    def raw(self, start: int, stop: int) -> torch.Tensor:
        """log10 mel energies [bins, n] of frames [start, stop), before the floor."""
        first = HOP * start - N_FFT // 2  # frames are centred on multiples of the hop
        samples = _read_reflected(self.recording, first, HOP * (stop - 1) + N_FFT // 2)
        spectrum = torch.stft(
            torch.from_numpy(samples), N_FFT, HOP, window=self._window, center=False, return_complex=True
        )
        energies = self._filters @ spectrum.abs().square()
        return energies.clamp(min=1e-10).log10()


def _read_reflected(recording: Recording, start: int, stop: int) -> np.ndarray:
    """Samples [start, stop), mirrored about the first and the last sample outside the recording."""
    end = recording.samples
    parts = [recording.read(max(start, 0), min(stop, end))]
    if start < 0:
        parts.insert(0, recording.read(1, 1 - start)[::-1])
    if stop > end:
        parts.append(recording.read(2 * end - 1 - stop, end - 1)[::-1])
    return np.concatenate(parts)
