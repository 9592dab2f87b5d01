"""How long somebody would speak a text: its syllables, counted by its letters, at the language's usual rate.

The model gives a line the time that the source has. One that is much longer comes out hurried or cut off, one that is
much shorter is drawn out or filled up. So this is a warning's worth and no more: people differ by a third in rate.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xdub_core.audio.voice_activity import AFTER, BEFORE, Span

SYLLABLES_PER_SECOND = {
    "english": 6.19,
    "french": 7.18,
    "german": 5.97,
    "italian": 6.99,
    "japanese": 7.84,
    "chinese": 5.18,
    "spanish": 7.82,
    "vietnamese": 5.22,
}
"""Read speech of about 10 people each, without pauses: Pellegrino, Coupe and Marsico, "A Cross-Language Perspective on
Speech Information Rate", Language 87 (2011), Table 1."""
USUAL_RATE = sum(SYLLABLES_PER_SECOND.values()) / len(SYLLABLES_PER_SECOND)
"""For a language that was not measured there, Russian and Greek among them."""
PAUSES = {",": 0.2, ";": 0.3, ":": 0.3, ".": 0.4, "!": 0.4, "?": 0.4, "\u2026": 0.4}
"""Seconds after a mark within the text. (An estimate.)"""
LONGER, SHORTER = 1.4, 0.6
"""Ratios of the new line to the old speech from which on they are unlike."""

_WIDE_MARKS = str.maketrans(
    dict(zip("\uff0c\u3001\uff1b\uff1a\u3002\uff01\uff1f\u037e", ",,;:.!?;", strict=True))
)
_VOWELS = re.compile(
    "[aeiouy\u00e6\u0153\u00f8\u0131\u03b1\u03b5\u03b7\u03b9\u03bf\u03c5\u03c9]+|[\u0430\u0435\u0438\u043e\u0443\u044b\u044d\u044e\u044f\u0456\u0454]"
)
_SMALL_KANA = (
    "\u3041\u3043\u3045\u3047\u3049\u3083\u3085\u3087\u30a1\u30a3\u30a5\u30a7\u30a9\u30e3\u30e5\u30e7"
)
_DIGIT_SYLLABLES = 1.5
_SILENT = {
    "english": re.compile("[^aeiouyl]e$|[aeiouy]le$|[^aeiouylsxzcgh]es$|[^aeiouytd]ed$"),
    "french": re.compile("[^aeiouy]es?$"),
}
"""Last vowels that are written and not spoken."""


def speaking_seconds(text: str, language: str) -> float:
    """About how long the text is spoken; `language`: its English name, in any case."""
    marked = text.translate(_WIDE_MARKS).strip().rstrip("".join(PAUSES))
    pauses = sum(PAUSES.get(mark, 0.0) for mark in re.sub(r"([.!?])[.!?]+", r"\1", marked))
    name = _name(language)
    return syllables(text, name) / SYLLABLES_PER_SECOND.get(name, USUAL_RATE) + pauses


def syllables(text: str, language: str) -> float:
    """About how many syllables (of Japanese: moras) the text has."""
    return sum(_syllables_of(word, _name(language)) for word in re.findall(r"[^\W_]+", _plain(text)))


def compared(new: float, old: float) -> str | None:
    """What to say where a line of `new` seconds is to replace speech of `old`; None where they are alike."""
    if old <= 0 or SHORTER <= new / old <= LONGER:
        return None
    told = f"the new line takes about {new:.1f} s, and the old speech takes {old:.1f} s: "
    if new > old:
        return (
            told
            + "much longer, so it will be hurried or cut off; shorten it, or take a longer part of the video"
        )
    return (
        told
        + "much shorter, so it will be drawn out or filled up; say more, or take a shorter part of the video"
    )


def seconds_of_speech(spans: Sequence[Span]) -> float:
    """How long speech takes that was found in a sound, with pauses as far as a text has some at its marks.

    `spans` as `speech_spans` gives them, each longer at both ends than what is heard.
    """
    heard = sum(max(0.0, stop - start - BEFORE - AFTER) for start, stop in spans)
    pauses = (after[0] - before[1] + BEFORE + AFTER for before, after in pairwise(spans))
    return heard + sum(min(pause, PAUSES["."]) for pause in pauses)


@dataclass(frozen=True)
class Word:
    """A word with what follows it until the next: its text, seconds, and whether a sentence or a phrase ends there."""

    text: str
    seconds: float
    ends: str = ""


def words_of(text: str, language: str) -> list[Word]:
    """The text's words; where a script has none, such as Chinese, its characters."""
    parts = re.findall(r"[\u3040-\u30ff\u3400-\u9fff][^\w\s]*|[^\s\u3040-\u30ff\u3400-\u9fff]+\s*|\s+", text)
    found = []
    for part in parts:
        mark = part.translate(_WIDE_MARKS).rstrip("\"'\u00bb\u201d\u201c\u300d) \n\t")[-1:]
        found.append(
            Word(
                part, speaking_seconds(part, language) + PAUSES.get(mark, 0.0), mark if mark in PAUSES else ""
            )
        )
    return found


def _name(language: str) -> str:
    """The language's own name of a longer one, such as "Latin American Spanish" or "Mandarin Chinese"."""
    plain = language.lower()
    if "mandarin" in plain:
        return "chinese"
    return next((name for name in SYLLABLES_PER_SECOND if name in plain), plain)


def _plain(text: str) -> str:
    """Small letters without accents, but for Cyrillic i with a breve, which is no vowel; a diaeresis parts vowels."""
    parted = unicodedata.normalize("NFD", text.lower().replace("\u0439", "j"))
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def _syllables_of(word: str, language: str) -> float:
    """Of a word in small letters without accents."""
    if word.isdigit():
        return _DIGIT_SYLLABLES * len(word)
    wide = sum("\u3040" <= c <= "\u30ff" and c not in _SMALL_KANA for c in word)
    han = sum("\u3400" <= c <= "\u9fff" for c in word) * (2 if language == "japanese" else 1)
    jamo = sum(
        "\u1100" <= c <= "\u1112" for c in word
    )  # Korean, taken apart: the first sound of each syllable
    if wide or han or jamo:
        return wide + han + jamo
    groups = len(_VOWELS.findall(word))
    silent = language in _SILENT and _SILENT[language].search(word)
    return max(1, groups - bool(silent))
