"""Timelines: any frame rate to 25 fps by timestamps; how a video is made longer."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xdub_core.media.timeline import (
    Extend,
    constant_clock,
    jumps,
    ping_pong,
    shown_slots,
    timeline_from_timestamps,
)


def constant_rate(frames, fps):
    return timeline_from_timestamps(np.arange(frames) / fps, frames / fps)


def on_screen(seconds, k, fps=25):
    """The latest frame that has appeared by the time of slot k, the plain way."""
    return max(i for i, time in enumerate(seconds) if time - seconds[0] <= k / fps + 0.002)


def test_ping_pong_equals_the_release(goldens):
    for case, expected in json.loads((goldens / "pingpong.json").read_text()).items():
        frames, length = map(int, case.split("->"))
        assert ping_pong(frames, length).tolist() == expected, case


@given(st.integers(1, 50), st.integers(0, 300))
def test_ping_pong_never_jumps(frames, length):
    indices = ping_pong(frames, length)
    assert len(indices) == length
    assert np.all((indices >= 0) & (indices < frames))
    if frames > 1:
        assert np.all(np.abs(np.diff(indices)) == 1)


@given(st.integers(1, 50), st.integers(0, 300), st.sampled_from(Extend))
def test_every_way_to_make_a_video_longer_begins_with_the_whole_of_it(slots, length, extend):
    shown = shown_slots(slots, length, extend)
    assert (len(shown), shown.dtype) == (length, np.int64)
    if extend is not Extend.SLOW:
        assert shown[:slots].tolist() == list(range(min(slots, length)))


@given(st.integers(1, 50), st.integers(0, 300))
def test_frames_after_the_first_pass_are_those_of_the_chosen_way(slots, length):
    def after(extend):
        return shown_slots(slots, length, extend)[slots:].tolist()

    assert after(Extend.BOUNCE) == ping_pong(slots, length)[slots:].tolist()
    assert after(Extend.LOOP) == [frame % slots for frame in range(slots, length)]
    assert after(Extend.HOLD) == [slots - 1] * max(0, length - slots)


@given(st.integers(1, 50), st.integers(1, 300), st.sampled_from(Extend))
def test_only_a_loop_jumps_and_at_each_restart(slots, length, extend):
    expected = [extend is Extend.LOOP and slots > 3 and frame % slots == 0 for frame in range(1, length)]
    assert jumps(shown_slots(slots, length, extend)).tolist() == expected


@given(st.integers(2, 50), st.integers(1, 80))
def test_slowed_every_frame_is_there_until_the_limit_and_none_much_longer_than_another(slots, length):
    shown = shown_slots(slots, length, Extend.SLOW)
    assert len(shown) == length
    if slots <= length <= 1.25 * slots:
        assert np.all(np.isin(np.diff(shown), (0, 1)))
        assert set(shown) == set(range(slots))
    elif length < slots:
        assert shown.tolist() == list(range(length))
    else:
        _, times = np.unique(shown[: int(1.25 * slots) - 1], return_counts=True)
        assert times.max() <= 2


@pytest.mark.parametrize("extend", Extend)
def test_nothing_cannot_be_made_longer(extend):
    with pytest.raises(ValueError):
        shown_slots(0, 3, extend)


@given(st.integers(1, 400))
def test_25_fps_is_the_identity(frames):
    assert constant_rate(frames, 25).source_index.tolist() == list(range(frames))


@given(st.lists(st.floats(-0.019, 0.019), min_size=1, max_size=200), st.floats(0, 1000))
def test_25_fps_with_jittering_timestamps_is_the_identity(jitter, start):
    # The first frame is time zero, so its own jitter moves all others.
    jitter = np.array([0.0, *jitter])
    seconds = start + np.arange(len(jitter)) / 25 + jitter
    line = timeline_from_timestamps(seconds, len(jitter) / 25)
    assert line.source_index.tolist() == list(range(len(jitter)))


def test_50_fps_shows_every_second_frame():
    assert constant_rate(100, 50).source_index.tolist() == list(range(0, 100, 2))


def test_60_fps_shows_the_frame_on_screen():
    assert constant_rate(60, 60).source_index[:6].tolist() == [0, 2, 4, 7, 9, 12]


def test_ntsc_rate_keeps_its_length():
    line = timeline_from_timestamps(np.arange(300) * 1001 / 30000, 300 * 1001 / 30000)
    assert len(line) == 250
    assert line.source_index[-1] == 298


def test_24_fps_repeats_a_frame_a_second():
    line = constant_rate(240, 24)
    assert len(line) == 250
    assert np.sum(np.diff(line.source_index) == 0) == 10


def test_millisecond_rounding_does_not_lose_frames_of_50_fps():
    seconds = np.round(np.arange(200) / 50, 3)
    assert timeline_from_timestamps(seconds, 4.0).source_index.tolist() == list(range(0, 200, 2))


def test_a_frame_held_for_long_fills_its_slots():
    line = timeline_from_timestamps(np.array([0.0, 0.04, 1.0]), 1.08)
    assert line.source_index.tolist() == [0] + [1] * 24 + [2, 2]


def test_the_last_frame_stays_until_the_end():
    assert timeline_from_timestamps(np.array([0.0, 0.04]), 0.24).source_index.tolist() == [0, 1, 1, 1, 1, 1]


def test_one_frame_of_any_rate_is_one_slot():
    for fps in (10_000, 60, 25):
        assert constant_rate(1, fps).source_index.tolist() == [0]


@given(st.lists(st.floats(0.004, 0.4), min_size=2, max_size=60), st.floats(0, 100))
def test_any_timestamps_show_what_a_player_shows(gaps, start):
    seconds = start + np.cumsum([0.0, *gaps])
    duration = seconds[-1] - seconds[0] + 0.04
    line = timeline_from_timestamps(seconds, duration)
    if np.any(np.abs((seconds - seconds[0]) * 25 - np.arange(len(seconds))) >= 0.5):
        assert len(line) == max(1, round(duration * 25))
        expected = [on_screen(seconds, k) for k in range(len(line))]
        assert np.all(np.diff(line.source_index) >= 0)
        # Sums of floats may fall on either side of a boundary; by a neighbour at most.
        assert np.max(np.abs(line.source_index - expected)) <= 1
        assert np.mean(line.source_index == expected) > 0.9


@pytest.mark.parametrize("fps", [10, 15, 24000 / 1001, 24, 30, 50, 60, 120])
def test_the_nearest_frame_is_at_most_half_of_the_longer_interval_away(fps):
    frames = int(4 * fps)
    line = timeline_from_timestamps(np.arange(frames) / fps, frames / fps, nearest=True)
    assert len(line) == round(frames / fps * 25)
    away = np.abs(line.source_index / fps - np.arange(len(line)) / 25)[:-1]
    on_screen = line.source_index[:-1] / fps <= np.arange(len(line) - 1) / 25
    assert np.all((away <= 0.5 / max(fps, 25) + 1e-4) | (on_screen & (away <= 1 / fps)))
    assert line.source_index[-1] == frames - 1


def test_a_frame_that_stands_is_left_for_the_next_only_half_a_slot_before_it():
    line = timeline_from_timestamps(np.array([0, 1.0, 1.04]), 1.08, nearest=True)
    assert line.source_index.tolist() == [0] * 25 + [1, 2]
    line = timeline_from_timestamps(np.array([0, 0.985, 1.03]), 1.08, nearest=True)
    assert line.source_index.tolist() == [0] * 25 + [1, 2]
    line = timeline_from_timestamps(np.array([0, 0.975, 1.03]), 1.08, nearest=True)
    assert line.source_index.tolist() == [0] * 24 + [1, 1, 2]


def test_the_clock_of_a_part_begins_at_0_and_keeps_its_steps():
    part = constant_clock(40, 50).part(range(10, 30))
    assert (len(part), float(part.end), part.rate, part.is_constant) == (20, 0.4, 50, True)
    assert np.allclose(part.seconds, np.arange(20) / 50)
