"""What a report says in sentences, for the page and for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from xdub_core.report.guidance import ReportedGuidance
from xdub_core.report.model import PassedThrough, ReportedClip

Kind = Literal["good", "note", "bad"]


def checked(clips: Sequence[ReportedClip]) -> tuple[str, Kind]:
    """What the self-check said of all clips, and how that is."""
    failed = [clip for clip in clips if clip.passed is False]
    again = sum(clip.sampled > 1 for clip in clips)
    if failed:
        numbers = numbered(clip.number for clip in failed)
        return f"{count(len(failed), 'clip')} passed the self-check in no attempt: {numbers}.", "bad"
    if not any(clip.attempts for clip in clips):
        return "Every clip was made; none was checked.", "good"
    return f"Every clip passed the self-check{f', {again:,} when sampled again' * bool(again)}.", "good"


def told_of_passed(untouched: Sequence[PassedThrough], seconds: float) -> str:
    """What came out as it went in, of an output of so many seconds; empty where nothing did."""
    if not untouched:
        return ""
    total = sum(each.stop_seconds - each.start_seconds for each in untouched)
    return f"{clock(total)} of {clock(seconds)} came out as they went in, with nobody dubbed."


def predictions_in_words(guidance: ReportedGuidance | None) -> list[str]:
    """How many predictions a dub took, and how many a speed saved, in a line; none where nobody counted."""
    if guidance is None or not guidance.predictions or not guidance.predictions_exact:
        return []
    made, exact = guidance.predictions, guidance.predictions_exact
    saved = f"; speed exact would have made {exact:,}" if made < exact else ""
    return [f"{count(made, 'prediction')} of the model{saved}"]


def clock(seconds: float) -> str:
    """Seconds as 3.20 s, 2:03.4 or 1:02:03."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds, 1), 60)
    if minutes < 60:
        return f"{int(minutes)}:{rest:04.1f}"
    return f"{int(minutes) // 60}:{int(minutes) % 60:02d}:{int(rest):02d}"


def count(number: int, what: str) -> str:
    """1 clip, 2 clips."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def numbered(numbers: Iterable[int], most: int = 10) -> str:
    """Numbers in a row, the first `most` of them."""
    told = list(numbers)
    rest = len(told) - most
    return ", ".join(map(str, told[:most])) + (f" and {rest:,} more" if rest > 0 else "")
