"""What an output shows, and when: on the model's clock and on the source's own, at any rate and for an hour."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.dub.length import Length, frames_of_audio, output_end
from xdub_core.dub.playback import Playback, at_model_rate
from xdub_core.media.timeline import (
    Extend,
    FrameClock,
    Timeline,
    constant_clock,
    jumps,
    ping_pong,
    shown_slots,
    timeline_from_timestamps,
)

NTSC = Fraction(1000, 1001)
RATES = [24 * NTSC, 24, 25, 30 * NTSC, 30, 48, 50, 60 * NTSC, 60, 120, 15, Fraction(25, 2), 10]
WITHIN = 0.0201  # seconds that lips may be off their frame's time


def constant(rate, frames):
    clock = constant_clock(frames, rate)
    return clock, timeline_from_timestamps(clock.seconds, float(clock.end), nearest=True)


def variable(milliseconds):
    """Frames that stay for so long each."""
    ticks = np.concatenate([[0], np.cumsum(milliseconds)])
    clock = FrameClock(ticks, Fraction(1, 1000), Fraction(len(milliseconds) * 1000, int(ticks[-1])))
    return clock, timeline_from_timestamps(clock.seconds, float(clock.end), nearest=True)


def played(source, end=None, extend=Extend.BOUNCE):
    """The output's frames and the model's that go with them."""
    clock, timeline = source
    frames = len(timeline) if end is None else frames_of_audio(int(end * 16000))
    playback = Playback(clock, timeline, extend, end)
    return playback.shown(frames), timeline.source_index[playback.slots(frames + 1)]


def assert_in_step(shown, made_of):
    """Every frame is shown, with lips of its instant."""
    seconds = shown.clock.seconds
    assert np.all(np.diff(shown.clock.ticks) > 0)
    due = np.minimum(seconds, (len(made_of) - 2) / 25)
    assert np.abs(shown.lips / 25 - due).max() <= WITHIN


@pytest.mark.parametrize("extend", Extend)
@pytest.mark.parametrize("end", [None, Fraction(7, 25), Fraction(1, 2), Fraction(3), Fraction(16001, 16000)])
def test_at_25_the_output_is_the_models_own_frames(end, extend):
    shown, made_of = played(constant(25, 25), end, extend)
    frames = 25 if end is None else -int(-end * 25 // 1)
    if extend is Extend.SLOW and frames > 25:
        return  # other frames then
    expected = at_model_rate(
        Timeline(np.arange(25)), shown_slots(25, frames, extend if frames > 25 else Extend.BOUNCE)
    )
    for name in ("source_index", "lips", "place"):
        assert np.array_equal(getattr(shown, name), getattr(expected, name))
    assert np.array_equal(shown.clock.ticks, expected.clock.ticks)
    assert shown.clock.time_base == expected.clock.time_base
    assert np.array_equal(made_of[:-1], shown.source_index)


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_lips_are_in_step_for_an_hour(rate):
    frames = int(3600 * rate)
    shown, made_of = played(constant(rate, frames))
    assert shown.source_index.tolist() == list(range(frames))
    assert shown.clock.seconds[-1] == pytest.approx(float((frames - 1) / Fraction(rate)), abs=1e-7)
    assert_in_step(shown, made_of)


@pytest.mark.parametrize("extend", [Extend.BOUNCE, Extend.LOOP, Extend.HOLD])
@pytest.mark.parametrize("rate", [24 * NTSC, 30 * NTSC, 60, 10], ids=str)
def test_a_minute_of_video_lasts_for_an_hour_of_speech(rate, extend):
    source = constant(rate, int(60 * rate))
    shown, made_of = played(source, Fraction(3600), extend)
    length = -int(-3600 * Fraction(rate) // 1)
    assert np.array_equal(shown.source_index, shown_slots(len(source[0]), length, extend))
    assert np.array_equal(shown.clock.ticks, np.arange(length + 1))
    assert_in_step(shown, made_of)


@pytest.mark.parametrize("rate", [15, 24 * NTSC, 24, 25], ids=str)
def test_up_to_25_every_frame_takes_a_crop_that_was_made_of_it(rate):
    shown, made_of = played(constant(rate, int(20 * rate)), Fraction(50))
    assert np.array_equal(shown.lips, shown.place)
    assert np.array_equal(made_of[shown.lips.astype(int)], shown.source_index)


@pytest.mark.parametrize("rate", [30, 48, 50, 60 * NTSC, 120], ids=str)
def test_above_25_lips_move_on_evenly(rate):
    shown, made_of = played(constant(rate, int(4 * rate)))
    whole = np.flatnonzero((shown.lips == np.rint(shown.lips)) & (shown.lips == shown.place))
    assert np.array_equal(shown.source_index[whole], made_of[shown.lips[whole].astype(int)])
    inner = np.diff(shown.lips)[shown.lips[1:] < len(made_of) - 2]
    assert np.allclose(inner, float(25 / rate))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(4, 300), min_size=1, max_size=60),
    st.one_of(st.none(), st.fractions(Fraction(1, 10), 12, max_denominator=16000)),
    st.sampled_from(Extend),
)
def test_a_variable_rate_stays_what_it_is_and_in_step(milliseconds, end, extend):
    clock, _ = source = variable(milliseconds)
    shown, made_of = played(source, end, extend)
    first = min(len(shown), len(clock))
    if len(clock) > 1:
        assert shown.source_index[:first].tolist() == list(range(first))
        if extend is not Extend.SLOW or end is None or end <= clock.end:
            assert shown.clock.ticks[:first].tolist() == clock.ticks[:first].tolist()
        assert_in_step(shown, made_of)
    if end is None:
        assert shown.clock.end == clock.end
    elif end > clock.end:
        assert end <= shown.clock.end < end + Fraction(1, 15)
    else:
        assert end <= shown.clock.end or shown.clock.end == clock.end


def test_to_and_fro_times_are_mirrored():
    shown, _ = played(variable([30, 50, 20, 40]), Fraction(36, 100))
    assert shown.source_index.tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert shown.clock.ticks.tolist() == [0, 30, 80, 100, 140, 190, 220, 250, 300, 320, 360]


def test_a_loop_begins_again_when_its_last_frame_ends():
    shown, _ = played(variable([30, 50, 40]), Fraction(3, 10), Extend.LOOP)
    assert shown.source_index.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert shown.clock.ticks.tolist() == [0, 30, 80, 120, 150, 200, 240, 270, 300]


def test_a_frame_that_is_held_is_shown_anew_so_that_its_face_can_speak():
    shown, _ = played(variable([30, 300, 300]), Fraction(1), Extend.HOLD)
    assert shown.clock.ticks.tolist() == [0, 30, *range(330, 1000, 40), 1000]
    assert set(shown.source_index[2:]) == {2}
    assert np.abs(shown.lips / 25 - shown.clock.seconds).max() <= WITHIN


def test_a_single_picture_speaks():
    shown, _ = played(constant(30, 1), Fraction(1))
    assert np.array_equal(shown.clock.ticks, np.arange(31))
    assert np.allclose(np.diff(shown.lips)[:28], 25 / 30)


@pytest.mark.parametrize(
    ("length", "end"),
    [
        (Length.AUDIO, Fraction(16001, 16000)),
        (Length.SOURCE, None),
        (Length.SHORTEST, None),
        (Length.LONGEST, Fraction(16001, 16000)),
    ],
)
def test_the_output_ends_with_the_recording_to_the_sample_or_with_the_source(length, end):
    assert output_end(20, 16001, length) == end


def test_half_a_minute_of_ping_pong_is_the_one_that_is_known():
    shown, _ = played(constant(60, 7), Fraction(1, 2))
    assert shown.source_index.tolist() == ping_pong(7, 30).tolist()


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_slowed_frames_all_stay_longer_and_lips_are_in_step(rate):
    frames = int(20 * rate)
    shown, made_of = played(constant(rate, frames), Fraction(23), Extend.SLOW)
    assert shown.source_index.tolist() == list(range(frames))
    assert float(shown.clock.end) == pytest.approx(23, abs=1e-4)
    stretch = 23 / (frames / float(rate))
    assert np.allclose(shown.clock.seconds, np.arange(frames) / float(rate) * stretch, atol=1e-4)
    assert_in_step(shown, made_of)


def test_slower_than_the_limit_it_is_played_to_and_fro():
    shown, made_of = played(constant(50, 100), Fraction(4), Extend.SLOW)
    assert shown.source_index.tolist() == ping_pong(100, 160).tolist()
    assert np.allclose(np.diff(shown.clock.seconds), 1.25 / 50, atol=1e-4)
    assert_in_step(shown, made_of)


def test_a_video_that_is_long_enough_is_not_slowed():
    slowed, plain = (
        played(constant(30, 60), Fraction(3, 2), extend)[0] for extend in (Extend.SLOW, Extend.BOUNCE)
    )
    assert np.array_equal(slowed.clock.ticks, plain.clock.ticks)
    assert slowed.clock.rate == plain.clock.rate == 30


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("extend", Extend)
def test_nothing_cuts_but_a_loop_that_begins_again(rate, extend):
    clock, timeline = constant(rate, int(2.1 * rate))
    cuts = jumps(Playback(clock, timeline, extend, Fraction(15)).slots(375)).sum()
    assert cuts == (int(15 / clock.end) if extend is Extend.LOOP else 0)


@pytest.mark.parametrize(
    ("source", "end", "extend", "words"),
    [
        (constant(10, 20), None, Extend.BOUNCE, ()),
        (constant(4, 8), None, Extend.BOUNCE, ("0.25 s", "--fps 25")),
        (variable([40, 900, 40]), None, Extend.BOUNCE, ("0.90 s",)),
        (constant(30, 30), Fraction(5, 4), Extend.SLOW, ()),
        (constant(30, 30), Fraction(3, 2), Extend.SLOW, ("1.25", "1.50")),
    ],
)
def test_what_is_not_to_be_expected_is_told(source, end, extend, words):
    told = Playback(*source, extend, end).warnings()
    assert len(told) == bool(words)
    assert all(word in told[0] for word in words)
