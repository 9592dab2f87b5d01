"""What the mouth does: distances in units of the face, correlations within clips, leaks, silence."""

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.evaluation.mouth import landmark_distance, leak, silence_test, within_clip_correlation

POINTS, MOUTH = 18, slice(0, 8)


def track(seed, frames=50):
    return np.random.default_rng(seed).random(frames)


def test_landmark_distance_is_in_percent_of_the_face():
    truth = np.zeros((4, POINTS, 2))
    truth[:, -1] = (100, 50)
    moved = truth.copy()
    moved[:, :8] += (3, 4)
    assert landmark_distance(moved, truth, MOUTH) == pytest.approx(5)
    assert landmark_distance(10 * moved, 10 * truth, MOUTH) == pytest.approx(5)


def test_landmark_distance_looks_at_the_mouth_alone():
    truth = np.random.default_rng(0).random((4, POINTS, 2))
    moved = truth.copy()
    moved[:, 8:] += 1
    assert landmark_distance(moved, truth, MOUTH) == 0


def test_mouths_that_only_differ_between_people_do_not_correlate():
    """Some are drawn more open than others; within the clips there is nothing in common."""
    openings = [track(i) + 10 * i for i in range(8)]
    others = [track(100 + i) + 10 * i for i in range(8)]
    assert np.corrcoef(np.concatenate(openings), np.concatenate(others))[0, 1] > 0.99
    assert abs(within_clip_correlation(openings, others)) < 0.15


def test_a_followed_speech_correlates():
    speech = [track(i) for i in range(4)]
    follows = [3 * s + i for i, s in enumerate(speech)]
    assert within_clip_correlation(follows, speech) == pytest.approx(1)
    assert within_clip_correlation([-f for f in follows], speech) == pytest.approx(-1)


def test_a_still_mouth_correlates_with_nothing():
    assert within_clip_correlation([np.ones(50)], [track(0)]) == 0


def test_the_true_dub_leaks_nothing_even_where_the_speeches_are_alike():
    target = [track(i) for i in range(4)]
    source = [0.7 * t + 0.3 * track(50 + i) for i, t in enumerate(target)]
    assert leak(target, source, target) == pytest.approx(0, abs=1e-6)


def test_a_mouth_that_still_speaks_the_old_words_leaks():
    source, target = [track(i) for i in range(4)], [track(20 + i) for i in range(4)]
    half = [(s + t) / 2 for s, t in zip(source, target, strict=True)]
    assert leak(source, source, target) == pytest.approx(1, abs=0.02)
    assert leak(half, source, target) == pytest.approx(1, abs=0.05)
    assert abs(leak([t + 0.5 * track(40) for t in target], source, target)) < 0.3


def test_silence_is_measured_against_speech():
    speech = [track(i) for i in range(4)]
    quiet = silence_test([0.1 * s for s in speech], speech)
    assert quiet.deviation == pytest.approx(0.1)
    assert quiet.opening == pytest.approx(0.1)
    assert silence_test(speech, speech).deviation == pytest.approx(1)


def test_refuses_what_cannot_be_compared():
    with pytest.raises(SettingsError, match="50 and 40"):
        within_clip_correlation([track(0)], [track(0, 40)])
    with pytest.raises(SettingsError, match="no mouth tracks"):
        within_clip_correlation([], [])
    with pytest.raises(SettingsError, match="speech opens"):
        silence_test([track(0)], [np.zeros(50)])
    with pytest.raises(SettingsError, match="cannot be compared"):
        landmark_distance(np.zeros((2, POINTS, 2)), np.zeros((3, POINTS, 2)), MOUTH)
