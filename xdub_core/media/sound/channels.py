"""Many channels to one, as FFmpeg's own mono mix weighs them, or to a layout that encoders write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# ITU-R BS.775 levels, as `ffmpeg -ac 1` uses them: the front pair at -3 dB beside the centre, where speech usually
# is; side and back channels 3 dB lower still; no low-frequency effects. The first channel of ambisonics is what a
# microphone hears that listens in all directions; the others are differences between directions.
_FRONT, _AROUND = 0.5**0.5, 0.5
_LEVELS = {
    "FC": 1.0,
    "AMBI0": 1.0,
    **dict.fromkeys(("FL", "FR", "FLC", "FRC", "DL", "DR"), _FRONT),
    **dict.fromkeys(("BL", "BR", "BC", "SL", "SR", "WL", "WR", "SDL", "SDR", "SSL", "SSR", "TTL", "TTR"), _AROUND),
    **dict.fromkeys(("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR", "TSL", "TSR"), _AROUND),
    **dict.fromkeys(("BFC", "BFL", "BFR", "BIL", "BIR"), _AROUND),
    **dict.fromkeys(("LFE", "LFE2"), 0.0),
    **{f"AMBI{index}": 0.0 for index in range(1, 64)},
}  # fmt: skip
# The usual order of channels where a file or a waveform does not name them.
_USUAL = {
    1: ("FC",),
    2: ("FL", "FR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
_WRITTEN = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}
"""FFmpeg's layouts that AAC and Opus encoders take, and their channel counts; all are in the usual order."""


def channel_names(count: int, names: Sequence[str] = ()) -> tuple[str, ...]:
    """What `count` channels are: their names (FFmpeg's: FL, FR, FC, ...), else the usual order, else nothing."""
    if len(names) == count and all(name in _LEVELS for name in names):
        return tuple(names)
    return _USUAL.get(count, ())


def mono_weights(count: int, names: Sequence[str] = ()) -> np.ndarray:
    """Weights [count] that sum to 1 and mix `count` channels to one.

    Stereo gives the mean. Layouts with a centre give it the largest share. Channels whose names are unknown count
    equally.

    Args:
        count: number of channels.
        names: their FFmpeg names; empty where unknown: then the usual order is assumed.
    """
    names = channel_names(count, names)
    levels = np.array([_LEVELS[name] for name in names] if names else [1.0] * count)
    if levels.sum() == 0:
        levels = np.ones(count)
    return (levels / levels.sum()).astype(np.float32)


def mix_to_mono(channels: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
    """Mix float32 [C, n] to [n]; a single channel comes through untouched."""
    if channels.shape[0] == 1:
        return channels[0]
    return mono_weights(channels.shape[0], names) @ channels


def written_layout(count: int, names: Sequence[str] = ()) -> str:
    """The layout in which `count` channels are written: their own where encoders take it, else stereo or mono.

    Stereo where it is known which channels are left and which right; else mono, in which every channel is heard.
    """
    names = channel_names(count, names)
    for layout, width in _WRITTEN.items():
        if set(_at_the_back(names)) == set(_USUAL[width]) and len(names) == width:
            return layout
    return "stereo" if names else "mono"


def mix_to_layout(channels: np.ndarray, names: Sequence[str], layout: str) -> np.ndarray:
    """Bring float32 [C, n] into a layout of `written_layout`: [1, 2, 6 or 8, n]. Nothing gets louder than it was."""
    count = channels.shape[0]
    names = channel_names(count, names)
    wanted = _USUAL[_WRITTEN[layout]]
    named = _at_the_back(names)
    if set(named) == set(wanted) and count == len(wanted):
        order = [named.index(name) for name in wanted]
        return channels if order == sorted(order) else channels[order]
    if layout == "mono" or count == 1 or not names:
        return _spread(mix_to_mono(channels, names), wanted)
    sides = np.array([[_side(name, side) * _LEVELS[name] for name in names] for side in "LR"], np.float32)
    if not sides.any():
        return _spread(mix_to_mono(channels, names), wanted)
    return _spread(sides / sides.sum(1).max() @ channels, wanted)


def _at_the_back(names: Sequence[str]) -> tuple[str, ...]:
    """FFmpeg has two layouts of 5.1, with the pair at the sides or at the back: for writing they are one."""
    if set(names) == {"FL", "FR", "FC", "LFE", "SL", "SR"}:
        return tuple({"SL": "BL", "SR": "BR"}.get(name, name) for name in names)
    return tuple(names)


def _side(name: str, side: str) -> float:
    """Whether a channel is heard at a side: 1 or 0. Those in the middle are heard at both."""
    sides = {letter for letter in "LR" if letter in name.replace("LFE", "")}
    return float(not sides or side in sides)


def _spread(sound: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """Mono [n] or stereo [2, n] as the front channels of a layout; the others are silent."""
    if len(wanted) == 1:
        return sound[None]
    out = np.zeros((len(wanted), sound.shape[-1]), np.float32)
    out[:2] = sound
    return out
