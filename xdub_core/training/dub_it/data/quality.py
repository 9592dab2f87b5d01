"""Which pairs are kept (Sec. A.1): lips that really differ and really move, the same person, and the words asked for.

The paper names the measures and no thresholds: the defaults are estimates, after its tables. There a run that copies
the source has an LMD of 0.009 and a WER of 0.97, a good one 0.017 and 0.31, and real speech a MAR Div of 0.13.
Whether picture and text agree (the paper's Qwen2-VL) is not judged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, found_mouths
from xdub_core.evaluation.dub_it.lips import mouth_aspect_ratio
from xdub_core.evaluation.dub_it.measure import measure_lips
from xdub_core.evaluation.dub_it.video import Spoken
from xdub_core.evaluation.dub_it.words import word_error_rate


@dataclass(frozen=True)
class QualityThresholds:
    """What a pair needs; None: not looked at. A measure that no judge gives rejects nothing, and stays unknown.

    `seen`: least share of the source's frames in which its mouth is found. `lmd`: least distance of its lips from the
    target's, in faces. `mar`, `mar_diversity`: least mean opening of its mouth, and deviation of that; `qd`: of LMD x
    MAR Div. `identity`: least likeness of both faces. `wer`: largest error rate of each clip's own words.
    """

    seen: float | None = 0.5
    lmd: float | None = 0.01
    mar: float | None = 0.05
    mar_diversity: float | None = 0.03
    qd: float | None = 0.0005
    identity: float | None = 0.6
    wer: float | None = 0.5

    def __post_init__(self) -> None:
        if odd := [name for name, value in asdict(self).items() if value is not None and not value >= 0]:
            raise SettingsError(f"the threshold {odd[0]} is {getattr(self, odd[0])}: take 0 or more")


@dataclass(frozen=True)
class QualityMeasures:
    """Of one pair; None where there is no judge for it, or it found nothing. See `QualityThresholds`."""

    seen: float | None = None
    lmd: float | None = None
    mar: float | None = None
    mar_diversity: float | None = None
    qd: float | None = None
    identity: float | None = None
    source_wer: float | None = None
    target_wer: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a pair is kept; `reasons`: why not, a line each. `unknown`: thresholds for which nothing was measured."""

    kept: bool
    reasons: tuple[str, ...]
    unknown: tuple[str, ...]
    measures: QualityMeasures


@dataclass(frozen=True)
class Said:
    """What a clip was to say, in which language."""

    words: str
    language: str


def judged(
    source: Spoken,
    target: Spoken,
    said: tuple[Said, Said],
    judges: DubItJudges,
    thresholds: QualityThresholds,
) -> Verdict:
    """The verdict on a pair of clips, of which `said` has what source and target were to say.

    After lip augmentation the source's lips do not go with its sound (A.1), so that its sync is not looked at.
    """
    return verdict(_measures(source, target, said, judges), thresholds)


def verdict(measures: QualityMeasures, thresholds: QualityThresholds) -> Verdict:
    """Whether measures meet the thresholds."""
    reasons, unknown = list[str](), list[str]()
    for name, least, told in (
        ("seen", thresholds.seen, "the source's mouth is found in too few frames: their share"),
        ("lmd", thresholds.lmd, "the lips are the target's own: their distance (LMD)"),
        ("mar", thresholds.mar, "the mouth stays closed: its mean opening (MAR)"),
        (
            "mar_diversity",
            thresholds.mar_diversity,
            "the mouth hardly moves: the opening's deviation (MAR Div)",
        ),
        ("qd", thresholds.qd, "lips differ or move too little: LMD x MAR Div (QD)"),
        ("identity", thresholds.identity, "the face is another's: its likeness"),
    ):
        value = getattr(measures, name)
        if least is not None and value is None:
            unknown.append(name)
        elif least is not None and not value >= least:
            reasons.append(f"{told} is {value:.4f}, and {least:g} is needed")
    for name, which in (("source_wer", "source"), ("target_wer", "target")):
        value = getattr(measures, name)
        if thresholds.wer is not None and value is None:
            unknown.append(name)
        elif thresholds.wer is not None and not value <= thresholds.wer:
            reasons.append(
                f"the {which} does not say its words: their error rate (WER) is {value:.2f}, and "
                f"{thresholds.wer:g} is the most"
            )
    return Verdict(not reasons, tuple(reasons), tuple(unknown), measures)


def _measures(
    source: Spoken, target: Spoken, said: tuple[Said, Said], judges: DubItJudges
) -> QualityMeasures:
    lips: dict[str, float | None] = {}
    if judges.mouths is not None:
        reference, generated = (found_mouths(judges.mouths, each.frames) for each in (target, source))
        lmd, diversity, qd = measure_lips(reference, generated)
        ratio = mouth_aspect_ratio(generated.points)
        seen = ratio[np.isfinite(ratio)]
        lips = {"seen": generated.seen, "lmd": lmd, "mar_diversity": diversity, "qd": qd}
        lips["mar"] = float(seen.mean()) if len(seen) else None
    rates = [
        None
        if judges.words is None
        else word_error_rate(own.words, judges.words.words(clip.sound, own.language))
        for clip, own in zip((source, target), said, strict=True)
    ]
    identity = None if judges.identity is None else judges.identity.likeness(source.frames, target.frames)
    return QualityMeasures(**lips, identity=identity, source_wer=rates[0], target_wer=rates[1])
