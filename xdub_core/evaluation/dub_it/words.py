"""Whether the words are spoken that were asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from xdub_core.errors import SettingsError

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+(?:'[^\W]+)*")


def spoken_words(text: str) -> list[str]:
    """The text's words as they are compared: in small letters, without marks; a script without spaces by characters."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return _WORD.findall(plain.replace("_", " "))


def word_error_rate(asked: str, heard: str) -> float:
    """WER (Sec. 4): words to change, to leave out and to add, as a share of the words asked for; above 1 for babble.

    `heard`: what a speech recogniser (the paper's is Whisper, of no named size) wrote. Raises SettingsError where no
    words were asked for.
    """
    reference = spoken_words(asked)
    if not reference:
        raise SettingsError("there are no words to compare with: give the text that the dub was to speak")
    return edits(reference, spoken_words(heard)) / len(reference)


def edits(asked: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of words to change, leave out and add (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(asked, 1):
        before, row = row, [count]
        for place, other in enumerate(heard, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (word != other)))
    return row[-1]
