"""From phonemes to a mouth: visemes, their mouth shapes, and co-articulation.

A mouth track is float32 [frames, 8], columns in the order of `mini.labels.MOUTH_PARAMETERS`.
"""

# ruff: noqa: RUF001 (phonetic letters look like others)
from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xdub_core.audio.features import ROWS_PER_SECOND
from xdub_core.media.timeline import MODEL_FPS

# name: aperture, width, protrusion, jaw, press, teeth, tongue, bite, dominance of the shape over its neighbours
_SHAPES: dict[str, tuple[float, ...]] = {
    "silence": (0.00, 0.00, 0.00, 0.00, 0.10, 0.0, 0.0, 0.0, 0.8),
    "p": (0.00, 0.00, 0.10, 0.12, 1.00, 0.0, 0.0, 0.0, 4.0),
    "f": (0.14, 0.15, 0.00, 0.15, 0.00, 1.0, 0.0, 1.0, 3.0),
    "th": (0.30, 0.15, 0.00, 0.25, 0.00, 0.8, 1.0, 0.0, 1.6),
    "t": (0.28, 0.15, 0.00, 0.22, 0.00, 0.8, 0.7, 0.0, 0.9),
    "l": (0.42, 0.10, 0.00, 0.35, 0.00, 0.6, 1.0, 0.0, 1.0),
    "s": (0.20, 0.50, 0.00, 0.06, 0.00, 1.0, 0.2, 0.0, 1.6),
    "sh": (0.34, -0.50, 0.75, 0.15, 0.00, 1.0, 0.2, 0.0, 1.8),
    "k": (0.36, 0.05, 0.00, 0.32, 0.00, 0.5, 0.2, 0.0, 0.7),
    "r": (0.30, -0.40, 0.50, 0.25, 0.00, 0.4, 0.3, 0.0, 1.2),
    "w": (0.14, -1.00, 1.00, 0.18, 0.00, 0.0, 0.0, 0.0, 2.2),
    "j": (0.26, 0.55, 0.00, 0.22, 0.00, 0.8, 0.5, 0.0, 1.0),
    "h": (0.40, 0.00, 0.00, 0.35, 0.00, 0.4, 0.2, 0.0, 0.3),
    "i": (0.30, 0.95, 0.00, 0.22, 0.00, 0.9, 0.4, 0.0, 1.6),
    "ih": (0.42, 0.55, 0.00, 0.36, 0.00, 0.8, 0.4, 0.0, 1.2),
    "e": (0.58, 0.50, 0.00, 0.52, 0.00, 0.7, 0.3, 0.0, 1.4),
    "ae": (0.80, 0.50, 0.00, 0.80, 0.00, 0.6, 0.3, 0.0, 1.6),
    "a": (1.00, 0.05, 0.00, 1.00, 0.00, 0.5, 0.2, 0.0, 1.7),
    "uh": (0.55, 0.00, 0.05, 0.50, 0.00, 0.5, 0.2, 0.0, 1.0),
    "er": (0.40, -0.35, 0.40, 0.36, 0.00, 0.4, 0.3, 0.0, 1.2),
    "aw": (0.78, -0.55, 0.60, 0.78, 0.00, 0.2, 0.1, 0.0, 1.6),
    "o": (0.50, -0.75, 0.85, 0.48, 0.00, 0.0, 0.1, 0.0, 1.7),
    "u": (0.22, -1.00, 1.00, 0.22, 0.00, 0.0, 0.0, 0.0, 1.9),
    "y": (0.26, -0.80, 1.00, 0.22, 0.00, 0.2, 0.3, 0.0, 1.7),
}

VISEMES = tuple(_SHAPES)  # class 0 is silence

_LETTERS = {
    "silence": "ʔ",
    "p": "pbm",
    "f": "fvɱʋ",
    "th": "θð",
    "t": "tdnɾɲ",
    "l": "lɫʎ",
    "s": "szɬ",
    "sh": "ʃʒɕʑʂʐ",
    "k": "kɡgŋxɣqχʁʀ",
    "r": "ɹrɻ",
    "w": "wβʍ",
    "j": "jcçʝ",
    "h": "hɦ",
    "i": "i",
    "ih": "ɪᵻɨ",
    "e": "eɛ",
    "ae": "æ",
    "a": "aɑɐ",
    "uh": "ʌəɘ",
    "er": "ɜɝɚɞ",
    "aw": "ɔɒ",
    "o": "o",
    "u": "uʊɯ",
    "y": "yøœʏɥ",
}
_OF_LETTER = {letter: viseme for viseme, letters in _LETTERS.items() for letter in letters}

_TARGETS = np.array([shape[:8] for shape in _SHAPES.values()], dtype=np.float64)
_DOMINANCE = np.array([shape[8] for shape in _SHAPES.values()])

# How far a shape reaches beyond its phoneme: the mouth prepares a sound about 45 ms ahead and holds it less.
_LEAD_SECONDS, _LAG_SECONDS = 0.045, 0.035
_CLOSURE_SECONDS = 0.085  # shortest visible closure of p, b, m: two frames
_SHORTEST_GAP = 1e-3  # seconds; less is rounding, not a pause
_REST_SECONDS = 0.22  # pauses shorter than this do not quite close the mouth


@dataclass(frozen=True)
class PhonemeInterval:
    """One phoneme: `start` to `stop` in seconds, `ipa` its mnemonic; an empty mnemonic is a pause."""

    start: float
    stop: float
    ipa: str


def visemes_of(ipa: str) -> tuple[str, ...]:
    """The visemes a mnemonic passes through: ("p",) for "p", ("o", "u") for "oʊ", ("silence",) for "".

    Length marks, stress, nasality and language switches such as "(en)" have no shape of their own. A mnemonic of
    unknown letters is a neutral vowel.
    """
    text = ipa.strip()
    if not text or text.startswith("("):
        return ("silence",)
    letters = [letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)]
    found = [_OF_LETTER[letter] for letter in letters if letter in _OF_LETTER]
    if found:
        return tuple(found)
    return ("uh",) if any(letter.isalpha() and letter not in "ːˈˌ" for letter in letters) else ("silence",)


def viseme_intervals(phonemes: Sequence[PhonemeInterval]) -> tuple[np.ndarray, np.ndarray]:
    """Times float64 [n, 2] in seconds and viseme classes int64 [n], without gaps.

    A diphthong's time is shared equally; whatever lies between two phonemes is silence.
    """
    times: list[tuple[float, float]] = []
    classes: list[int] = []
    for phoneme in phonemes:
        if times and phoneme.start - times[-1][1] > _SHORTEST_GAP:
            times.append((times[-1][1], phoneme.start))
            classes.append(VISEMES.index("silence"))
        names = visemes_of(phoneme.ipa)
        edges = np.linspace(phoneme.start, phoneme.stop, len(names) + 1)
        times.extend(pairwise(edges))
        classes.extend(VISEMES.index(name) for name in names)
    return np.array(times, dtype=np.float64).reshape(-1, 2), np.array(classes, dtype=np.int64)


def phoneme_ids(phonemes: Sequence[PhonemeInterval], rows: int, start_seconds: float = 0.0) -> np.ndarray:
    """Viseme classes int64 [rows] at 50 rows a second from `start_seconds`; silence (0) where nothing is said."""
    times, classes = viseme_intervals(phonemes)
    centres = start_seconds + (np.arange(rows) + 0.5) / ROWS_PER_SECOND
    ids = np.zeros(rows, dtype=np.int64)
    for (start, stop), value in zip(times, classes, strict=True):
        ids[(centres >= start) & (centres < stop)] = value
    return ids


def mouth_track(
    phonemes: Sequence[PhonemeInterval], frames: int, fps: float = MODEL_FPS, start_frame: int = 0
) -> np.ndarray:
    """The mouth at `frames` frames from `start_frame`: float32 [frames, 8], see the module's text.

    Every viseme pulls at the mouth with a dominance that is full during its phoneme and decays exponentially
    around it; the mouth is the average (Cohen and Massaro 1993). A frame shows the mouth at its middle. Lips
    always meet in p, b, m, and rest in pauses.
    """
    centres = (start_frame + np.arange(frames) + 0.5) / fps
    times, classes = viseme_intervals(phonemes)
    if not len(classes):
        return np.tile(_TARGETS[0], (frames, 1)).astype(np.float32)
    ahead = np.maximum(times[None, :, 0] - centres[:, None], 0.0)
    behind = np.maximum(centres[:, None] - times[None, :, 1], 0.0)
    reach = np.exp(-ahead / _LEAD_SECONDS - behind / _LAG_SECONDS)  # [frames, visemes]
    rest = classes == 0
    lengths = times[:, 1] - times[:, 0]
    strength = _DOMINANCE[classes] * np.where(rest, np.clip(lengths / _REST_SECONDS, 0.1, 2.0), 1.0)
    weights = reach * strength + 1e-12
    outside = (centres < times[0, 0]) | (centres >= times[-1, 1])
    track = weights @ _TARGETS[classes]
    total = weights.sum(axis=1) + outside  # nothing said: pulled to rest
    track = (track + outside[:, None] * _TARGETS[0]) / total[:, None]
    return _with_closures(track, centres, times, classes).astype(np.float32)


def _with_closures(
    track: np.ndarray, centres: np.ndarray, times: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    closed = np.zeros(len(centres))
    bilabial = VISEMES.index("p")
    for (start, stop), value in zip(times, classes, strict=True):
        long_rest = value == 0 and stop - start > _REST_SECONDS
        if value != bilabial and not long_rest:
            continue
        middle, half = (start + stop) / 2, max((stop - start), _CLOSURE_SECONDS) / 2
        full, fade = (half - 0.09, 0.06) if long_rest else (half * 0.6, half * 0.4 + 0.045)
        distance = np.maximum(np.abs(centres - middle) - full, 0.0)
        closed = np.maximum(closed, np.clip(1.0 - distance / fade, 0.0, 1.0))
    smooth = closed * closed * (3 - 2 * closed)
    track = track.copy()
    track[:, 0] *= 1 - smooth
    track[:, 3] *= 1 - 0.6 * smooth
    track[:, 7] *= 1 - smooth
    return track
