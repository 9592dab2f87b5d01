"""One channel out of many, weighted as FFmpeg's own mono mix is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# ITU-R BS.775 levels, as `ffmpeg -ac 1` uses them: the front pair at -3 dB beside the centre, where speech usually
# is; side and back channels 3 dB lower still; no low-frequency effects.
_LEVELS = {
    "FL": 0.5**0.5,
    "FR": 0.5**0.5,
    "FC": 1.0,
    "LFE": 0.0,
    "LFE2": 0.0,
    "BL": 0.5,
    "BR": 0.5,
    "SL": 0.5,
    "SR": 0.5,
    "BC": 0.5,
}
# The usual order of channels where a file or a waveform does not name them.
_USUAL = {
    2: ("FL", "FR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def mono_weights(count: int, names: Sequence[str] = ()) -> np.ndarray:
    """Weights [count] that sum to 1 and mix `count` channels to one.

    Stereo gives the mean. Layouts with a centre give it the largest share. Channels whose names are unknown count
    equally.

    Args:
        count: number of channels.
        names: their FFmpeg names (FL, FR, FC, ...); empty where unknown: then the usual order is assumed.
    """
    names = names if len(names) == count else ()
    if not all(name in _LEVELS for name in names) or not names:
        names = _USUAL.get(count, ())
    levels = np.array([_LEVELS[name] for name in names] if names else [1.0] * count)
    if levels.sum() == 0:
        levels = np.ones(count)
    return (levels / levels.sum()).astype(np.float32)


def mix_to_mono(channels: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
    """Mix float32 [C, n] to [n]; a single channel comes through untouched."""
    if channels.shape[0] == 1:
        return channels[0]
    return mono_weights(channels.shape[0], names) @ channels
