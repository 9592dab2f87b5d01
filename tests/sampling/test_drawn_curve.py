"""Guidance along drawn curves."""

from itertools import pairwise

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.job.keys import key_of
from xdub_core.sampling.drawn_curve import (
    AUDIO_POINTS,
    REFERENCE_POINTS,
    DrawnCurve,
    DrawnGuidance,
    Interpolation,
    histogram,
)
from xdub_core.sampling.guidance import Guidance

LEVELS = np.linspace(0, 1, 401).tolist()


def test_it_goes_through_its_points_in_whatever_order_and_is_level_beyond_them():
    curve = DrawnCurve(((0.8, 1.0), (0.2, 0.4), (0.5, 0.1)))
    assert [curve(x) for x in (0.0, 0.2, 0.5, 0.8, 1.0)] == [0.4, 0.4, 0.1, 1.0, 1.0]


def test_straight_lines():
    curve = DrawnCurve(((0.0, 0.0), (0.5, 1.0), (1.0, 0.0)), Interpolation.LINEAR)
    assert [curve(x) for x in (0.25, 0.5, 0.75)] == [0.5, 1.0, 0.5]


def test_a_smooth_curve_never_leaves_the_range_of_two_neighbours():
    points = ((0.0, 0.0), (0.1, 0.9), (0.15, 0.9), (0.6, 0.2), (1.0, 1.0))
    curve = DrawnCurve(points)
    for (x0, y0), (x1, y1) in pairwise(points):
        heights = [curve(x) for x in np.linspace(x0, x1, 50)]
        assert min(y0, y1) - 1e-12 <= min(heights) and max(heights) <= max(y0, y1) + 1e-12
        assert sorted(heights, reverse=y1 < y0) == pytest.approx(heights)


def test_of_two_points_at_one_level_the_last_counts_from_there_on():
    curve = DrawnCurve(((0.0, 0.2), (0.5, 0.2), (0.5, 1.0), (1.0, 1.0)))
    assert [curve(x) for x in (0.49, 0.5, 0.9)] == [0.2, 1.0, 1.0]


@pytest.mark.parametrize(
    "points", [(), ((0.5, 0.5),), ((0.0, 0.0), (1.0, 1.2)), ((0.0, float("nan")), (1.0, 1.0))]
)
def test_what_is_no_curve_is_refused(points):
    with pytest.raises(SettingsError, match="curve"):
        DrawnCurve(points)


def test_curves_as_they_begin_are_exactly_the_released_guidance():
    drawn = Guidance(curve=DrawnGuidance(DrawnCurve(REFERENCE_POINTS), DrawnCurve(AUDIO_POINTS)))
    assert [drawn.weights(level) for level in LEVELS] == [Guidance().weights(level) for level in LEVELS]


def test_curves_as_they_begin_look_like_the_released_guidance():
    released = Guidance().curve
    for points, fraction in (
        (REFERENCE_POINTS, released.reference_fraction),
        (AUDIO_POINTS, released.audio_fraction),
    ):
        curve = DrawnCurve(points)
        assert max(abs(curve(level) - fraction(level)) for level in LEVELS) < 0.005


def test_one_curve_that_is_drawn_leaves_the_other_as_released():
    half = DrawnCurve(((0.0, 0.5), (1.0, 0.5)))
    drawn, released = Guidance(2.0, 8.0, curve=DrawnGuidance(audio=half)), Guidance(2.0, 8.0)
    assert {drawn.audio(level) for level in LEVELS} == {4.0}
    assert [drawn.reference(level) for level in LEVELS] == [released.reference(level) for level in LEVELS]


def test_another_curve_is_another_key():
    one, two = (Guidance(curve=DrawnGuidance(audio=DrawnCurve(((0.0, y), (1.0, 1.0))))) for y in (0.1, 0.2))
    assert len({key_of(one), key_of(two), key_of(Guidance())}) == 3


def test_a_histogram_counts_levels():
    assert histogram([0.0, 0.2, 0.3, 1.0], bins=4) == [2, 1, 0, 1]
