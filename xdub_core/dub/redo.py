"""Clips that are sampled again: which, as it is typed, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from xdub_core.errors import SettingsError


def parse_clips(text: str, where: str = "redo") -> tuple[range, ...]:
    """Numbers and ranges of clips, from 1 on, as 12,40-44. Raises SettingsError, in which `where` names the option."""
    ranges: list[range] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            clips = range(int(first), int(last or first) + 1)
        except ValueError:
            clips = range(0)
        if not clips or clips.start < 1:
            raise SettingsError(
                f"{where} {text}: give numbers of clips, from 1 on, and ranges of them, as 12,40-44"
            )
        ranges.append(clips)
    return tuple(ranges)


def redo_counts(asked: Iterable[range], clips: int, told: str) -> Counter[int]:
    """How often each clip of a dub of so many is sampled again, by its number from 0: as often as it was asked for.

    Raises SettingsError where there is no such clip; `told`: what was typed.
    """
    asked = tuple(asked)
    for each in asked:
        if each.stop - 1 > clips:
            raise SettingsError(f"{told}: this dub has {clips} clips, so there is no {each.stop - 1}")
    return Counter(number - 1 for each in asked for number in each)
