"""Sounds whose envelope and length are known."""

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.evaluation.dub_it.sound import duration_error, intensity_correlation, loudness_envelope

RATE = 16_000
TIME = np.arange(2 * RATE) / RATE


def bursts(phase=0.0, seed=0):
    noise = np.random.default_rng(seed).standard_normal(len(TIME))
    return noise * (1 + np.sin(2 * np.pi * 2 * TIME + phase))


def test_the_envelope_is_the_root_of_the_mean_square():
    np.testing.assert_allclose(loudness_envelope(np.full(2048, -0.5)), 0.5)
    assert len(loudness_envelope(np.ones(2048))) == (2048 - 512) // 128 + 1


def test_a_copy_correlates_by_one_however_loud():
    assert intensity_correlation(0.1 * bursts(), bursts()) == pytest.approx(1)


def test_other_noise_of_the_same_loudness_correlates_and_opposite_loudness_does_not():
    assert intensity_correlation(bursts(seed=1), bursts()) > 0.9
    assert intensity_correlation(bursts(np.pi, seed=1), bursts()) < -0.8


def test_only_the_time_that_both_have_counts():
    longer = np.concatenate([bursts(), np.ones(RATE)])
    assert intensity_correlation(longer, bursts()) == pytest.approx(1)


def test_what_is_as_loud_throughout_correlates_with_nothing():
    assert intensity_correlation(np.ones(RATE), bursts()) == 0


def test_without_sound_there_is_nothing_to_compare():
    with pytest.raises(SettingsError, match="no sound"):
        intensity_correlation(np.zeros(0), bursts())


def test_the_duration_s_error_has_no_sign():
    assert duration_error(4.8, 5.0) == pytest.approx(0.2)
    assert duration_error(5.25, 5.0) == 0.25
