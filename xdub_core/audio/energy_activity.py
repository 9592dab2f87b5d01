"""Where somebody speaks in a recording, by its spectrum alone: what stands out of the noise floor, with a voice in it.

For where no trained detector is installed. Steady sounds (noise, hum, a fan, a held chord of more than `FLOOR_SECONDS`)
are the floor. What stands out of it counts where a voice is near, or where it lasts as whispering does: so a breath, a
click or a beep is no speech. Music with changing notes is: nothing here tells it from singing.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_opening,
    label,
    minimum_filter1d,
    uniform_filter1d,
)

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.recording import Recording

HOP = 160
"""Samples from one frame to the next: 10 ms."""
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
WINDOW = 512
BAND_EDGES = np.array(
    [100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2700, 3700, 5300, 7500]
)
"""Hertz; critical bands (Bark), the upper ones joined."""
FLOOR_SECONDS = 8.0
"""The floor is the least that was or will be heard in so long a time, whichever is more: it follows a noise that begins
or ends, and holds nothing that is shorter."""
BEGINS, GOES_ON, MOST = 7.0, 4.2, 20.0
"""dB above the floor in the mean of the `LOUDEST` bands: where a sound begins, and ends; what a band counts at most."""
LOUDEST = 6
BESIDE_A_TONE = 45.0
"""dB below the loudest band at which a band still counts: beyond that it may be what a pure tone leaks."""
RANGE = 40.0
"""dB below the recording's loud frames: what is fainter is no speech."""
FAINTEST = -85.0
"""dBFS: nor is what is fainter than that."""
VOICED = 0.5
"""Normalised autocorrelation from which a frame is voiced; at least `VOICED_FRAMES` in a row."""
VOICED_FRAMES = 4
PITCH = (70.0, 400.0)
"""Hertz."""
NEAR_A_VOICE = 0.3
"""Seconds from a voiced frame within which what is unvoiced belongs to the word."""
WHISPER = 1.0
"""Seconds from which on what is unvoiced is speech by itself, with gaps of up to `NEAR_A_VOICE` in it."""

_CHUNK = 6000  # frames; a minute
_SMOOTH, _SMOOTH_FLOOR = 5, 15  # frames
_VOICE_BINS = slice(3, 130)  # of the spectrum: 90 Hz to 4 kHz
_OVER_FLOOR = 4.0  # the floor of single bins lies this far below their mean
_SILENCE = 1e-12


def active_frames(recording: Recording) -> np.ndarray:
    """Whether somebody speaks, for every 10 ms of a recording: bool [samples / 160, rounded up].

    Two passes through the recording on its disk; memory grows by a byte for each 10 ms.
    """
    frames = -(-recording.samples // HOP)
    least = max(loud_level(recording) - RANGE, FAINTEST)
    margin = round((FLOOR_SECONDS + WHISPER + 1) * FRAMES_PER_SECOND)
    active = np.zeros(frames, bool)
    for start in range(0, frames, _CHUNK):
        stop = min(start + _CHUNK, frames)
        first, last = max(0, start - margin), min(frames, stop + margin)
        found = _active(_power(recording, first, last), least)
        active[start:stop] = found[start - first : stop - first]
    return active


def loud_level(recording: Recording) -> float:
    """dBFS that the loudest twentieth of a recording's frames with any sound reach; `FAINTEST` where there is none."""
    levels = np.arange(-120, 20)
    frames = -(-recording.samples // HOP)
    counts = np.zeros(len(levels), np.int64)
    for start in range(0, frames, _CHUNK):
        stop = min(start + _CHUNK, frames)
        samples = recording.read(start * HOP, stop * HOP).reshape(-1, HOP)
        found = _decibels((samples - recording.mean).astype(np.float64).var(axis=1))
        counts += np.bincount(np.clip(found.astype(int) + 120, 0, len(levels) - 1), minlength=len(levels))
    heard = counts * (levels > FAINTEST)
    if not heard.any():
        return FAINTEST
    return float(levels[np.searchsorted(heard.cumsum(), 0.95 * heard.sum())])


def _power(recording: Recording, first: int, last: int) -> np.ndarray:
    """Power spectra of frames [first, last): float32 [n, 257], a full-scale sine having 1 / 2 in all."""
    around = (WINDOW - HOP) // 2
    samples = recording.read(first * HOP - around, (last - 1) * HOP + WINDOW - around)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = np.hanning(WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(windows * window, axis=1)) ** 2
    return (power * (2 / (WINDOW * (window**2).sum()))).astype(np.float32)


def _active(power: np.ndarray, least: float) -> np.ndarray:
    frequency = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    heard = power[:, (frequency >= BAND_EDGES[0]) & (frequency < BAND_EDGES[-1])].sum(axis=1)
    starts = np.searchsorted(frequency, BAND_EDGES)
    bands = np.add.reduceat(power[:, : starts[-1]], starts[:-1], axis=1)
    floor = _decibels(_floor(uniform_filter1d(bands, _SMOOTH_FLOOR, axis=0, mode="nearest")))
    bands = _decibels(uniform_filter1d(bands, _SMOOTH, axis=0, mode="nearest"))
    floor = np.maximum(floor, bands.max(axis=1, keepdims=True) - BESIDE_A_TONE)
    above = np.clip(bands - floor, 0, MOST)
    score = np.sort(above, axis=1)[:, -LOUDEST:].mean(axis=1)
    loud = _decibels(uniform_filter1d(heard, _SMOOTH, mode="nearest")) > least
    sounding = _hysteresis(loud & (score > BEGINS), loud & (score > GOES_ON))
    return sounding & (_near_a_voice(power, sounding) | _lasting(sounding, WHISPER))


def _floor(values: np.ndarray) -> np.ndarray:
    """The larger of the least that came before and the least that comes after, over time: shaped like `values`."""
    frames = round(FLOOR_SECONDS * FRAMES_PER_SECOND)
    half = frames // 2
    before, after = (
        minimum_filter1d(values, frames, axis=0, mode="nearest", origin=origin)
        for origin in (half - 1, -half)
    )
    return np.maximum(before, after)


def _near_a_voice(power: np.ndarray, sounding: np.ndarray) -> np.ndarray:
    part = power[:, _VOICE_BINS]
    part = np.maximum(part - _OVER_FLOOR * _floor(part), 0)
    spectrum = np.zeros_like(power)
    spectrum[:, _VOICE_BINS] = part
    lags = slice(int(SAMPLE_RATE / PITCH[1]), int(SAMPLE_RATE / PITCH[0]) + 1)
    window = np.hanning(WINDOW)
    taper = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * WINDOW)) ** 2)[lags]
    taper = taper / (window**2).sum()
    correlation = np.fft.irfft(spectrum, axis=1)
    periodic = (correlation[:, lags] / taper).max(axis=1) > VOICED * np.maximum(correlation[:, 0], _SILENCE)
    voiced = binary_opening(periodic & sounding, np.ones(VOICED_FRAMES, bool))
    reach = round(NEAR_A_VOICE * FRAMES_PER_SECOND)
    return binary_dilation(voiced, np.ones(2 * reach + 1, bool))


def _hysteresis(begins: np.ndarray, goes_on: np.ndarray) -> np.ndarray:
    """Runs of `goes_on` that hold any of `begins`."""
    runs, count = label(goes_on)
    kept = np.zeros(count + 1, bool)
    kept[runs[begins]] = True
    kept[0] = False
    return kept[runs]


def _lasting(active: np.ndarray, seconds: float) -> np.ndarray:
    """Runs of at least so many seconds; short gaps are no end."""
    gap = np.ones(round(NEAR_A_VOICE * FRAMES_PER_SECOND) + 1, bool)
    runs, _ = label(active | binary_closing(active, gap))
    long_enough = np.bincount(runs.ravel()) >= seconds * FRAMES_PER_SECOND
    long_enough[0] = False
    return long_enough[runs]


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, _SILENCE))
