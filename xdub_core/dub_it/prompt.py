"""What the model is told: who speaks, in which language, and the very words, since it does not translate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from xdub_core.errors import SettingsError

from .layouts import LTX_2_3, Layout
from .speaking_time import Word, words_of

LANGUAGES = ("English", "Spanish", "French", "German", "Italian", "Russian", "Greek")
"""Those of the paper's training data (Sec. A.1). DubIt for LTX-2.3 is validated for the first four and Russian."""

NOT_AT_A_SENTENCE, NOT_AT_A_PHRASE = 0.5, 1.5
"""Seconds that a cut in the text is the worse for not being at the end of a sentence, or of a phrase either."""


def dub_prompt(layout: Layout, speaker: str, language: str, dialogue: str, scene: str = "") -> str:
    """The prompt in the form that the layout's LoRA was trained with.

    `scene`: a description of what is seen, which only "ltx 2.3" has. Raises SettingsError where something is lacking.
    """
    words = _one_line(dialogue)
    if not words:
        raise SettingsError(
            "there is no text to speak: write the new words, in the new language, into dialogue"
        )
    if not language.strip():
        raise SettingsError("no language is given: name that of the dialogue, such as Spanish")
    quoted = words.strip('"\u201c\u201d').replace('"', "'").strip()
    who = _one_line(speaker) or "The person"
    if layout == LTX_2_3:
        before = f"{_one_line(scene).rstrip('.')}. " if scene.strip() else ""
        return f'{before}{who} speaking in {language.strip()} saying: "{quoted}"'
    return f'{who} is speaking {language.strip()}, saying: "{quoted}"'


def divided(text: str, language: str, shares: Sequence[float]) -> list[str]:
    """The text in as many parts as there are shares, each about as long to speak as its share of them all.

    Cut between words, and rather at a sentence's or a phrase's end. A share of 0 gets no words. Nothing is lost.
    """
    words = words_of(_one_line(text), language)
    ends = [0.0, *accumulate(word.seconds for word in words)]
    speaking = [number for number, share in enumerate(shares) if share > 0] or [0]
    wanted = list(accumulate(shares[number] for number in speaking))
    cuts = [0]
    for until in wanted[:-1]:
        aim = until / wanted[-1] * ends[-1]
        harm = {at: abs(ends[at] - aim) + _harm(words, at) for at in range(cuts[-1], len(ends))}
        cuts.append(min(harm, key=harm.__getitem__))
    cuts.append(len(words))
    parts = [""] * len(shares)
    for number, start, stop in zip(speaking, cuts, cuts[1:], strict=False):
        parts[number] = "".join(word.text for word in words[start:stop]).strip()
    return parts


def _harm(words: Sequence[Word], at: int) -> float:
    """Of a cut before word number `at`, in seconds."""
    if at in (0, len(words)):
        return 0.0
    mark = words[at - 1].ends
    return NOT_AT_A_PHRASE if not mark else 0.0 if mark in ".!?\u2026" else NOT_AT_A_SENTENCE


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
