"""One dub that also speaks, measured beside its source."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .judges import DubItJudges, FoundMouths, cosine, found_mouths
from .lips import lip_landmark_distance, mouth_diversity, quality_diversity
from .sound import duration_error, intensity_correlation
from .video import Spoken
from .words import word_error_rate

FEWEST_SEEN = 0.5
"""Share of frames in which a mouth is needed, in both videos, for a measure of lips."""


@dataclass(frozen=True)
class DubItMeasures:
    """What came out of one dub; None where no judge is there, or it found nothing to judge.

    Lips (A.1): `lmd` against the source, in faces; `mar_diversity`; `qd`, their product. Sync: `async_frames`, |offset|
    (A.5). Sound: `wer` against the words asked for, `v_sim` of the source's voice, `int_corr`, `dur_err` in seconds.
    Looks: `csim`.
    """

    lmd: float | None = None
    mar_diversity: float | None = None
    qd: float | None = None
    async_frames: float | None = None
    wer: float | None = None
    v_sim: float | None = None
    int_corr: float | None = None
    dur_err: float | None = None
    csim: float | None = None


def measure_dub(source: Spoken, dub: Spoken, text: str, language: str, judges: DubItJudges) -> DubItMeasures:
    """Measure a dub that was to speak `text`. Raises what a judge raises."""
    lmd, diversity, qd = _lips(source, dub, judges)
    both_heard = len(source.sound) > 0 and len(dub.sound) > 0
    speaker = judges.speaker
    offset = None if judges.sync is None else judges.sync.offset(dub.frames, dub.fps, dub.sound)
    return DubItMeasures(
        lmd=lmd,
        mar_diversity=diversity,
        qd=qd,
        async_frames=None if offset is None else abs(offset),
        wer=None if judges.words is None else word_error_rate(text, judges.words.words(dub.sound, language)),
        v_sim=None
        if speaker is None or not both_heard
        else cosine(speaker.embedding(dub.sound), speaker.embedding(source.sound)),
        int_corr=intensity_correlation(dub.sound, source.sound) if both_heard else None,
        dur_err=duration_error(dub.seconds, source.seconds),
        csim=None if judges.identity is None else judges.identity.likeness(dub.frames, source.frames),
    )


def measure_lips(
    reference: FoundMouths, generated: FoundMouths
) -> tuple[float | None, float | None, float | None]:
    """LMD, MAR Div of the second, and QD; None where a mouth is seen in too few frames."""
    count = min(len(reference.points), len(generated.points))
    if min(reference.seen, generated.seen) < FEWEST_SEEN:
        return None, None, None
    lmd = lip_landmark_distance(reference.points[:count], generated.points[:count], reference.sizes[:count])
    diversity = mouth_diversity(generated.points)
    if math.isnan(lmd) or math.isnan(diversity):
        return None, None, None
    return lmd, diversity, quality_diversity(lmd, diversity)


def _lips(
    source: Spoken, dub: Spoken, judges: DubItJudges
) -> tuple[float | None, float | None, float | None]:
    if judges.mouths is None:
        return None, None, None
    return measure_lips(found_mouths(judges.mouths, source.frames), found_mouths(judges.mouths, dub.frames))
