"""The self-check of a sampled clip: is it still the source's picture, or did the sampling break down?

A clip is compared with the source as the VAE gives it back, which loses the same. The face is new at the mouth alone,
so what holds for the median place of a frame is outside of it, wherever the mouth may be. What is told apart is
breakdown, not quality, and none of the mouth alone: every limit lies a good way above what good dubs show
(`benchmarks/calibrate_checks.py` prints both, and how often the check errs). It is calibrated on the built-in model's
dubs of rendered heads, for lack of the released model's; a check that errs there costs time, and changes nothing but
the noise of a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from xdub_core.dub.clip_record import ClipVerdict
from xdub_core.dub.crops import Crop
from xdub_core.errors import NotFiniteError

PLACES = 8
"""A frame is looked at in so many rows and columns."""
LOOKED_AT = 256
"""Pixels of a side at most: crops are judged at this size."""
DIFFERENT = 0.08
"""Mean absolute difference, of 0..1, from which a place shows something else."""
DETAIL_FLOOR = 0.002
"""Added to the mean Laplacian of 0..1: what less of it says of a place is noise."""
MOVES = 0.004
"""Change of the median place from frame to frame, of 0..1, from which a source moves and a clip may stand still."""


class Judged(NamedTuple):
    """A frame as the VAE decodes it, before colours are matched: the clip's and the source's."""

    generated: Crop
    kept: Crop


Judge = Callable[[Sequence[Judged], Judged | None], ClipVerdict]
"""(frames of a clip, the last one of the clip before) -> what is found. Raises NotFiniteError."""


@dataclass(frozen=True)
class ClipMeasures:
    """A clip against its source through the VAE: each the worst of its frames; 0 where all is the same.

    `outside`: mean absolute difference of the median place, in 0..1, the tint of the whole taken off; `share`: of the
    places that show something else; `tint`: median difference of the channel that is off most; `detail`: octaves by
    which the median place has more or less fine structure; `flicker`: change of the difference from frame to frame, at
    the median place; `stillness`: octaves by which the median place moves less, where the source's moves.
    """

    outside: float = 0.0
    share: float = 0.0
    tint: float = 0.0
    detail: float = 0.0
    flicker: float = 0.0
    stillness: float = 0.0


LIMITS = ClipMeasures(outside=0.015, share=0.25, tint=0.05, detail=0.4, flicker=0.015, stillness=1.5)
"""What a clip may show at most."""

REASONS: Mapping[str, str] = {
    "outside": "away from the mouth it shows something else than the source",
    "share": "too much of the picture differs from the source",
    "tint": "its colours are off",
    "detail": "it is blurred or grainy",
    "flicker": "it flickers",
    "stillness": "it stands still while the source moves",
}


def judge_clip(frames: Sequence[Judged], before: Judged | None = None) -> ClipVerdict:
    """What is wrong with a clip. Raises NotFiniteError where a frame holds NaN."""
    measures, limits = vars(measure_clip(frames, before)), vars(LIMITS)
    off = {name: measures[name] / limits[name] for name in measures}
    reasons = tuple(
        f"{REASONS[name]} ({measures[name]:.3f}, where {limits[name]:g} is the most)"
        for name in sorted(off, key=lambda name: -off[name])
        if off[name] > 1
    )
    return ClipVerdict(
        {name: round(value, 4) for name, value in measures.items()}, reasons, max(off.values())
    )


def measure_clip(frames: Sequence[Judged], before: Judged | None = None) -> ClipMeasures:
    """The measures of a clip's frames; `before`: the last frame of the clip before. Raises NotFiniteError."""
    if not all(np.isfinite(frame.generated).all() for frame in frames):
        raise NotFiniteError(
            "a clip decodes to NaN or infinite numbers: compute the VAE in float32 or bfloat16"
        )
    seen = [Judged(*map(_reduced, frame)) for frame in ([] if before is None else [before]) + [*frames]]
    new = seen[len(seen) - len(frames) :]
    by_frame = [_of_frame(frame) for frame in new]
    worst = {name: max(getattr(each, name) for each in by_frame) for name in _FRAME}
    changes = list(pairwise(seen))
    if not changes:
        return ClipMeasures(**worst)
    flicker = max(_median(np.abs(_difference(b) - _difference(a)).mean(axis=2)) for a, b in changes)
    moved, source_moved = (
        float(np.mean([_median(np.abs(b[which] - a[which]).mean(axis=2)) for a, b in changes]))
        for which in (0, 1)
    )
    still = np.log2(source_moved / max(moved, 1e-6)) if source_moved > MOVES else 0.0
    return ClipMeasures(**worst, flicker=flicker, stillness=max(0.0, float(still)))


_FRAME = ("outside", "share", "tint", "detail")


def _of_frame(frame: Judged) -> ClipMeasures:
    difference = _difference(frame)
    tint = np.median(_places(difference).reshape(-1, 3), axis=0)
    generated, kept = (_detail(picture.mean(axis=2)) for picture in frame)
    octaves = np.log2((generated + DETAIL_FLOOR) / (kept + DETAIL_FLOOR))
    return ClipMeasures(
        outside=_median(np.abs(difference - tint).mean(axis=2)),
        share=float((_places(np.abs(difference).mean(axis=2)) > DIFFERENT).mean()),
        tint=float(np.abs(tint).max()),
        detail=abs(float(np.median(octaves))),
    )


def _difference(frame: Judged) -> np.ndarray:
    return frame.generated - frame.kept


def _reduced(crop: Crop) -> Crop:
    if len(crop) <= LOOKED_AT:
        return crop
    smaller: Crop = cv2.resize(crop, (LOOKED_AT, LOOKED_AT), interpolation=cv2.INTER_AREA)
    return smaller


def _places(picture: np.ndarray) -> np.ndarray:
    """Means of a picture over its places."""
    means: np.ndarray = cv2.resize(picture, (PLACES, PLACES), interpolation=cv2.INTER_AREA)
    return means


def _median(picture: np.ndarray) -> float:
    return float(np.median(_places(picture)))


def _detail(values: np.ndarray) -> np.ndarray:
    """Mean absolute Laplacian of a picture of single values, over places."""
    return _places(np.abs(cv2.Laplacian(values, cv2.CV_32F)))
