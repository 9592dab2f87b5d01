"""Which pairs are good enough to learn from (paper appendix B.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Frames = np.ndarray
"""A clip: float32 [F, H, W, 3] in 0..1."""


@dataclass(frozen=True)
class PairMeasures:
    """What measures a pair. All of them take a clip.

    `embed`: identity embeddings [F, n]; `landmarks`: points [F, k, 2] in pixels, of which `mouth` are the mouth's and
    `anchors` move with the head and not with the speech; `template`: where the anchors lie in a canonical face, in
    its pixels (a tuple of x, y); `quality`: a score from 1 to 5 (None: not judged).
    """

    embed: Callable[[Frames], np.ndarray]
    landmarks: Callable[[Frames], np.ndarray]
    mouth: tuple[int, ...]
    anchors: tuple[int, ...]
    template: tuple[tuple[float, float], ...]
    quality: Callable[[Frames], float] | None = None


@dataclass(frozen=True)
class PairScores:
    """A pair's measures: cosine similarity of identity, distance of the mouths in template pixels, quality 1 to 5."""

    identity: float
    mouth_distance: float
    quality: float | None = None


@dataclass(frozen=True)
class PairFilter:
    """Keeps pairs of the same identity, other lips and good looks. The thresholds are the paper's."""

    identity: float = 0.85
    mouth_distance: float = 1.0
    quality: float = 4.0

    def keeps(self, scores: PairScores) -> bool:
        """Whether a pair passes all thresholds; a quality that was not judged counts as good."""
        return (
            scores.identity >= self.identity
            and scores.mouth_distance >= self.mouth_distance
            and (scores.quality is None or scores.quality > self.quality)
        )


def score_pair(real: Frames, synthetic: Frames, measures: PairMeasures) -> PairScores:
    """Measure a pair of clips of equal length, frame against frame."""
    return PairScores(
        identity=identity_similarity(measures.embed(real), measures.embed(synthetic)),
        mouth_distance=mouth_distance(measures.landmarks(real), measures.landmarks(synthetic), measures),
        quality=None if measures.quality is None else measures.quality(synthetic),
    )


def identity_similarity(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean cosine similarity of the frames' embeddings [F, n]."""
    lengths = np.linalg.norm(real, axis=1) * np.linalg.norm(synthetic, axis=1)
    return float(np.mean((real * synthetic).sum(1) / np.maximum(lengths, 1e-12)))


def mouth_distance(real: np.ndarray, synthetic: np.ndarray, measures: PairMeasures) -> float:
    """Mean distance of the mouth's points, both faces aligned to the template by their anchors. [F, k, 2] each."""
    template, anchors, mouth = (
        np.array(measures.template),
        np.array(measures.anchors),
        np.array(measures.mouth),
    )

    def aligned(points: np.ndarray) -> np.ndarray:
        scale_rotation, shift = similarity_transform(points[anchors], template)
        return points[mouth] @ scale_rotation.T + shift

    distances = [
        np.linalg.norm(aligned(a) - aligned(b), axis=1).mean() for a, b in zip(real, synthetic, strict=True)
    ]
    return float(np.mean(distances))


def similarity_transform(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Umeyama's least-squares similarity (A, b) with target ~ A source + b, for points [k, 2]; A [2, 2], b [2]."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred = source - source_mean
    u, singular, vt = np.linalg.svd((target - target_mean).T @ centred / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    variance = max(float((centred**2).sum() / len(source)), 1e-12)
    matrix = (singular * signs).sum() / variance * (u * signs) @ vt
    return matrix, target_mean - matrix @ source_mean
