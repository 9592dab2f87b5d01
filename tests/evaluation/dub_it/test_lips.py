"""Lips on mouths whose shape is known."""

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.lips import (
    lip_landmark_distance,
    mouth_aspect_ratio,
    mouth_diversity,
    quality_diversity,
)


def mouth(width, height, x=0.0):
    """The 20 points of the usual order: 12 round an outer ellipse from its left corner, 8 round a smaller one."""
    outer, inner = np.pi - 2 * np.pi * np.arange(12) / 12, np.pi - 2 * np.pi * np.arange(8) / 8
    points = [[width / 2 * np.cos(turn), -height / 2 * np.sin(turn)] for turn in outer]
    points += [[0.8 * width / 2 * np.cos(turn), -0.8 * height / 2 * np.sin(turn)] for turn in inner]
    return np.array(points) + np.array([x, 0])


def test_the_aspect_ratio_is_height_by_width():
    mouths = np.stack([mouth(40, 10), mouth(40, 20), mouth(80, 20), mouth(40, 0)])
    np.testing.assert_allclose(mouth_aspect_ratio(mouths), [0.25, 0.5, 0.25, 0])


def test_its_indices_are_the_paper_s():
    points = np.zeros((1, 20, 2))
    points[0, 55 - 52], points[0, 58 - 52] = (0, 3), (4, 0)
    assert mouth_aspect_ratio(points)[0] == 0.75


def test_diversity_is_the_deviation_over_all_frames():
    assert mouth_diversity(np.stack([mouth(40, 8), mouth(40, 24)])) == pytest.approx(0.2)
    assert mouth_diversity(np.stack([mouth(40, 8)] * 5)) == 0


def test_the_distance_is_in_faces():
    reference = np.stack([mouth(40, 10), mouth(40, 20)])
    moved = reference + np.array([3, 4])
    assert lip_landmark_distance(reference, moved, np.array([100.0, 50.0])) == pytest.approx(0.075)
    assert lip_landmark_distance(reference, reference, np.array([100.0, 50.0])) == 0


def test_frames_without_a_face_count_in_nothing():
    seen = np.stack([mouth(40, 8), mouth(40, 24), mouth(40, 8)])
    seen[2] = np.nan
    size = np.array([100.0, 100.0, np.nan])
    assert mouth_diversity(seen) == pytest.approx(0.2)
    assert lip_landmark_distance(seen, seen + np.array([0, 10]), size) == pytest.approx(0.1)
    assert np.isnan(mouth_diversity(np.full((3, 20, 2), np.nan)))


def test_quality_diversity_is_their_product():
    assert quality_diversity(0.04, 0.2) == pytest.approx(0.008)


@pytest.mark.parametrize("shape", [(3, 8, 2), (3, 20, 3), (20, 2)])
def test_other_landmarks_are_refused(shape):
    with pytest.raises(SettingsError, match="shape"):
        mouth_aspect_ratio(np.zeros(shape))
