"""Sound against the source's: loud where that is loud, and as long. Mono, float [samples], at 16 kHz."""

from __future__ import annotations

import numpy as np

from xdub_core.errors import SettingsError

WINDOW, HOP = 512, 128
"""Samples: as T-Foley has its RMS envelopes (Chung, Lee and Nam 2024), which the paper names for Int-Corr."""


def loudness_envelope(sound: np.ndarray, window: int = WINDOW, hop: int = HOP) -> np.ndarray:
    """The RMS of each window; a sound that is shorter than one has silence after it."""
    power = np.asarray(sound, np.float64) ** 2
    power = np.pad(power, (0, max(0, window - len(power))))
    sums = np.concatenate([[0.0], np.cumsum(power)])
    starts = np.arange(0, len(power) - window + 1, hop)
    return np.sqrt(np.maximum(sums[starts + window] - sums[starts], 0) / window)


def intensity_correlation(sound: np.ndarray, source: np.ndarray) -> float:
    """Int-Corr (Sec. 4): Pearson's r of the RMS envelopes, over the time that both have; 1 for a copy, louder or not.

    0 where either is as loud throughout. Raises SettingsError where there is no sound.
    """
    if not len(sound) or not len(source):
        raise SettingsError("there is no sound to compare: both videos need some")
    length = min(len(sound), len(source))
    a, b = (
        envelope - envelope.mean() for envelope in map(loudness_envelope, (sound[:length], source[:length]))
    )
    power = np.sqrt((a @ a) * (b @ b))
    quiet = 1e-9 * len(a)  # envelopes that differ in their last bits alone
    return float(a @ b / power) if power > quiet else 0.0


def duration_error(seconds: float, source_seconds: float) -> float:
    """Dur-Err (Tab. 2): seconds by which the dub's sound is longer or shorter than the source's."""
    return abs(seconds - source_seconds)
