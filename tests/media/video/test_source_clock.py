"""The clock of a source: its constant rate where it has one, its frames' own times where it has none."""

from fractions import Fraction

import numpy as np
import pytest

from xdub_core.media.video.frame_index import FrameIndex
from xdub_core.media.video.source_clock import source_clock

NTSC = Fraction(1000, 1001)
MILLISECOND, FINE = Fraction(1, 1000), Fraction(1, 90_000)


def index(seconds, time_base, last=None, rate=None):
    """An index whose frames appear at these times, rounded to the time base."""
    seconds = np.rint(np.array(seconds, float) / float(time_base)) * float(time_base)
    last = float(np.median(np.diff(seconds))) if last is None else last
    none = np.zeros(1, np.int64)
    return FrameIndex(None, seconds, none, none, time_base, last, 0.0, rate)


@pytest.mark.parametrize("frames", [2, 10, 2000])
@pytest.mark.parametrize("time_base", [MILLISECOND, FINE, Fraction(1, 15360)])
@pytest.mark.parametrize(
    "rate",
    [24 * NTSC, 24, 25, 30 * NTSC, 30, 48, 50, 60 * NTSC, 60, 120, 240, 15, Fraction(25, 2), 10, 1],
    ids=str,
)
def test_a_constant_rate_is_exact_however_times_are_rounded(rate, time_base, frames):
    rate = Fraction(rate)
    clock = source_clock(index(np.arange(frames) / float(rate), time_base, rate=rate))
    assert (clock.rate, clock.time_base) == (rate, 1 / rate)
    assert np.array_equal(clock.ticks, np.arange(frames + 1))


@pytest.mark.parametrize("rate", [24 * NTSC, 24, 30 * NTSC, 60 * NTSC, 60], ids=str)
def test_of_many_frames_the_times_tell_the_rate_whatever_the_header_says(rate):
    for stated in (None, Fraction(25), Fraction(1000), Fraction(24)):
        clock = source_clock(index(np.arange(3000) / float(rate), MILLISECOND, rate=stated))
        assert clock.rate == rate


def test_an_odd_rate_of_equal_steps_is_that_rate():
    assert source_clock(index(np.arange(400) * 0.033, MILLISECOND, rate=Fraction(30))).rate == Fraction(
        1000, 33
    )


def test_a_variable_rate_keeps_every_time_of_its_own():
    ticks = np.concatenate([[0], np.cumsum(np.random.default_rng(0).integers(300, 9000, 500))])
    clock = source_clock(index(ticks / 90_000, FINE, last=0.1, rate=Fraction(30)))
    assert clock.time_base == FINE
    assert clock.ticks.tolist() == [*ticks, ticks[-1] + 9000]


def test_frames_that_are_left_out_of_a_constant_rate_are_no_constant_rate():
    """AVI, whose unit is a frame."""
    clock = source_clock(index(np.delete(np.arange(40), [5, 6, 20]) / 25, Fraction(1, 25), rate=Fraction(25)))
    assert np.allclose(clock.seconds, np.delete(np.arange(40), [5, 6, 20]) / 25)


def test_a_last_frame_that_stays_longer_stays():
    clock = source_clock(index(np.arange(10) / 50, FINE, last=0.5, rate=Fraction(50)))
    assert clock.rate == 50
    assert clock.ticks.tolist() == [*range(10), 9 + 25]


@pytest.mark.parametrize(
    "seconds",
    [
        [0, 0, 0, 0],
        [0, 0.04, 0.04, 0.04, 0.08],
        [0, 0.1, 0.1, 0.1, 0.1],
        [0, 0.5, 0.3, 0.4, 0.6],
        [0, 3000, 3000, 3000.04],
    ],
    ids=["none", "repeated", "stands", "backwards", "a gap"],
)
def test_every_frame_is_shown_for_some_time_whatever_the_times_are(seconds):
    clock = source_clock(index(seconds, MILLISECOND, last=0.04))
    assert len(clock) == len(seconds)
    assert np.all(np.diff(clock.ticks) > 0)
    assert clock.ticks[0] == 0
    assert float(clock.end) == pytest.approx(max(seconds) + 0.04, abs=0.045)


@pytest.mark.parametrize(
    ("stated", "rate"), [(Fraction(30), 30), (None, 25), (Fraction(90_000), 25), (Fraction(1, 60), 25)]
)
def test_a_single_picture_has_the_stated_rate_where_that_is_one_for_a_face_to_speak_at(stated, rate):
    clock = source_clock(index([0], MILLISECOND, last=2.0, rate=stated))
    assert (clock.rate, len(clock), clock.end) == (rate, 1, 2)
