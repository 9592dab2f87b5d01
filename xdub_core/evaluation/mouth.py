"""What the mouth does: landmark distance, how it follows the new speech, what leaks of the old, silence.

Correlations are taken within clips, around each clip's mean. Across clips of different people the mouths' openings
correlate without any sync: some mouths are drawn more open than others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xdub_core.errors import SettingsError


def landmark_distance(points: np.ndarray, truth: np.ndarray, mouth: slice) -> float:
    """LMD: mean distance of the mouth's landmarks, in percent of the face's size.

    `points`, `truth`: [F, K, 2] in pixels, of the same head pose; `mouth`: the lips among the points. The face's size
    is the larger extent of all the true points, in each frame.
    """
    if points.shape != truth.shape:
        raise SettingsError(
            f"landmarks of {points.shape[0]} and {truth.shape[0]} frames, {points.shape[1]} and {truth.shape[1]} "
            "points cannot be compared"
        )
    size = (truth.max(axis=1) - truth.min(axis=1)).max(axis=1)
    distance = np.linalg.norm(points[:, mouth] - truth[:, mouth], axis=2).mean(axis=1)
    return float(100 * (distance / size).mean())


def within_clip_correlation(tracks: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> float:
    """Pearson's correlation over all clips' frames, each clip around its own mean; 0 where nothing moves.

    `tracks`, `references`: a clip's mouth opening [F] each.
    """
    a, b = _centred(tracks), _centred(references)
    if len(a) != len(b):
        raise SettingsError(f"mouth tracks of {len(a)} and {len(b)} frames cannot be compared")
    power = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / power) if power > 1e-12 else 0.0


def leak(tracks: Sequence[np.ndarray], sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> float:
    """How far dubbed mouths still move with the source's speech: the within-clip partial correlation.

    What source and target happen to have in common is taken out first, so the true dub has 0 but for chance.
    """
    dubbed, source, target = _centred(tracks), _centred(sources), _centred(targets)
    power = target @ target
    if power > 1e-12:
        dubbed = dubbed - (dubbed @ target / power) * target
        source = source - (source @ target / power) * target
    return within_clip_correlation([dubbed], [source])


@dataclass(frozen=True)
class SilenceTest:
    """The mouth under real silence. `deviation`: its movement as a share of that under speech; aim at 0.15 or less.

    `opening`: its mean opening as a share of that under speech.
    """

    deviation: float
    opening: float


def silence_test(silent: Sequence[np.ndarray], speaking: Sequence[np.ndarray]) -> SilenceTest:
    """Compare mouth openings [F] of clips dubbed with silence and with speech.

    Raises SettingsError where speech moves nothing.
    """
    movement = np.sqrt(np.mean(_centred(speaking) ** 2))
    opening = np.mean(np.concatenate(list(speaking)))
    if movement < 1e-9 or opening < 1e-9:
        raise SettingsError("the silence test needs clips in which speech opens the mouth")
    return SilenceTest(
        deviation=float(np.sqrt(np.mean(_centred(silent) ** 2)) / movement),
        opening=float(np.mean(np.concatenate(list(silent))) / opening),
    )


def _centred(tracks: Sequence[np.ndarray]) -> np.ndarray:
    if not len(tracks):
        raise SettingsError("there are no mouth tracks to compare")
    return np.concatenate([np.asarray(track, np.float64) - np.mean(track) for track in tracks])
