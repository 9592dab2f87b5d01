"""What a file says about itself, for an output that is made of it: title and the like, timecode, chapters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

_OF_THE_FILE = frozenset(
    {
        "major_brand", "minor_version", "compatible_brands", "encoder", "encoded_by", "duration", "timecode",
        "handler_name", "vendor_id", "bps", "number_of_frames", "number_of_bytes",
    }
)  # fmt: skip
"""Tags that tell of the file, or of how it was encoded, and not of the film; timecode is treated by itself."""
_SAME_FPS = 0.01
_TIMECODE = re.compile(r"(\d{2}):(\d{2}):(\d{2})[:;.](\d{2,3})")


def film_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Of a file's or a stream's tags, those that tell of the film: title, artist, creation time, language and so on."""
    return {
        name: value
        for name, value in tags.items()
        if name.lower() not in _OF_THE_FILE
        and not name.lower().startswith(("_statistics", "bps-", "number_of_"))
    }


def track_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The same of one track, without its creation time, which is the film's."""
    return {name: value for name, value in film_tags(tags).items() if name.lower() != "creation_time"}


def timecode_of(*tags: Mapping[str, str]) -> str | None:
    """The first timecode in tags of any spelling; None for none."""
    for each in tags:
        for name, value in each.items():
            if name.lower() == "timecode" and _TIMECODE.fullmatch(value):
                return value
    return None


def timecode_at(timecode: str, source_fps: float, fps: float) -> str:
    """A timecode of the same hours, minutes and seconds, whose frames are counted at another rate, not drop-frame.

    At its own rate it stays as it is, drop-frame too where that is a rate that has it.
    """
    found = _TIMECODE.fullmatch(timecode)
    assert found is not None
    hours, minutes, seconds, frames = (int(part) for part in found.groups())
    nominal = round(source_fps)
    if abs(source_fps - fps) < _SAME_FPS and frames < nominal:
        drops = ";" in timecode and abs(fps * 1001 / 1000 - nominal) < _SAME_FPS and nominal % 30 == 0
        return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if drops else ':'}{frames:02d}"
    counted = frames * round(fps) // max(nominal, frames + 1)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{counted:02d}"


def moved_chapters(
    chapters: Iterable[Mapping[str, Any]], shift: Fraction, until: float
) -> list[dict[str, Any]]:
    """Chapters `shift` seconds later, cut at second 0 and `until`; those that lie outside are gone."""
    stop = round(until * 1000)
    moved: list[dict[str, Any]] = []
    for chapter in chapters:
        unit = chapter["time_base"] or Fraction(1, 1000)
        start, end = (round((chapter[edge] * unit + shift) * 1000) for edge in ("start", "end"))
        start, end = max(0, start), min(end, stop)
        if start < end:
            moved.append(
                {
                    "id": len(moved) + 1,
                    "start": start,
                    "end": end,
                    "time_base": Fraction(1, 1000),
                    "metadata": dict(chapter["metadata"]),
                }
            )
    return moved
