"""Long videos in segments, and joined again."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.dub_it.joins import joined_frames, joined_sound
from xdub_core.dub_it.segments import Segment, overlap_frames, plan_segments, silence_around, speech_seconds
from xdub_core.dub_it.times import samples
from xdub_core.errors import MediaError, SettingsError

RATES = [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)]
LENGTHS = [9, 61, 121, 250, 1000]


@pytest.fixture(params=RATES, ids=str)
def fps(request):
    return request.param


def check(plan, frames, fps, longest):
    overlap = overlap_frames(fps)
    assert plan[0].start == 0 and plan[-1].stop == frames
    assert all(after.start == before.stop - overlap for before, after in pairwise(plan))
    assert all(segment.padded == segment.frames for segment in plan[:-1])
    assert all(segment.start % 8 == 0 and segment.padded <= longest for segment in plan)


@pytest.mark.parametrize("frames", LENGTHS)
def test_segments_are_8_k_plus_1_long_and_cover_the_video(frames, fps):
    plan = plan_segments(frames, fps)
    check(plan, frames, fps, 121)
    assert len(plan) == max(1, -(-(frames - overlap_frames(fps)) // (121 - overlap_frames(fps))))


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(9, 2000),
    fps=st.sampled_from(RATES),
    longest=st.sampled_from([97, 121, 257]),
    edges=st.lists(st.floats(0, 80), max_size=20),
)
def test_whatever_is_said(frames, fps, longest, edges):
    speech = list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
    check(plan_segments(frames, fps, speech, longest), frames, fps, longest)


def test_cuts_lie_in_pauses_even_if_that_takes_a_segment_more():
    speech = [(0.2, 3.1), (3.6, 6.4), (7.0, 9.8)]
    plan = plan_segments(250, Fraction(25), speech, longest=129)
    middles = [(before.stop + after.start) / 50 for before, after in pairwise(plan)]
    assert all(silence_around(middle, speech) > 0 for middle in middles)
    assert len(plan) == 3


def test_without_a_pause_there_are_as_few_segments_as_can_be():
    plan = plan_segments(250, Fraction(25), [(0.0, 10.0)], longest=129)
    assert len(plan) == 3 - (250 <= 2 * 129 - 9)


def test_where_all_cuts_are_alike_segments_are_even():
    lengths = [segment.frames for segment in plan_segments(400, Fraction(25), [(0.0, 16.0)], longest=257)]
    assert max(lengths) - min(lengths) <= 16


def test_silence_is_measured_from_the_nearest_speech():
    speech = [(1.0, 2.0), (4.0, 5.0)]
    told = [silence_around(second, speech) for second in (0.0, 1.5, 2.5, 3.5, 6.0)]
    assert told == [1.0, -0.5, 0.5, 0.5, 1.0]
    assert silence_around(3.0, ()) == float("inf")


def test_speech_is_counted_once_at_an_overlap():
    plan = [Segment(0, 65), Segment(56, 121)]
    middle = 60.5 / 25
    assert speech_seconds(plan, Fraction(25), [(1.0, 3.0)]) == pytest.approx((middle - 1, 3 - middle))


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_a_few_frames_are_too_few(frames):
    with pytest.raises(MediaError, match="9 at least"):
        plan_segments(frames, Fraction(25))


@pytest.mark.parametrize("longest", [120, 41, 0, -7])
def test_segments_that_cannot_be_are_refused(longest):
    with pytest.raises(SettingsError, match="take 8 k"):
        plan_segments(250, Fraction(25), longest=longest)


def cut(signal, plan, fps, rate, short=0):
    return [
        signal[:, samples(each.start, fps, rate) : samples(each.stop, fps, rate) - short].copy()
        for each in plan
    ]


@pytest.mark.parametrize("frames", LENGTHS)
def test_every_frame_comes_out_once_and_in_order(frames, fps):
    plan = plan_segments(frames, fps)
    numbers = torch.arange(1016.0)[:, None, None, None]
    made = [numbers[each.start : each.start + each.padded] for each in plan]
    joined = torch.stack(list(joined_frames(plan, made)))
    assert torch.allclose(joined, numbers[:frames], rtol=1e-6)


def test_pictures_that_differ_are_faded_and_do_not_jump():
    plan = plan_segments(250, Fraction(25))
    joined = torch.stack(
        list(joined_frames(plan, [torch.full((s.padded, 1, 1, 1), float(n)) for n, s in enumerate(plan)]))
    )
    assert joined.diff(dim=0).max() <= 0.1 + 1e-6
    assert joined[0] == 0 and joined[-1] == len(plan) - 1


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("rate", [24_000])
def test_sound_is_as_long_as_the_frames_to_the_sample_and_stays_where_it_was(frames, rate, fps):
    total = samples(frames, fps, rate)
    signal = np.random.default_rng(0).standard_normal((2, total)).astype(np.float32)
    plan = plan_segments(frames, fps)
    joined = joined_sound(plan, cut(signal, plan, fps, rate), fps, rate)
    assert joined.shape == (2, total)
    assert np.abs(joined - signal).max() < 1e-5


def test_sound_that_ends_a_little_early_leaves_no_hole_at_a_join(fps):
    """A vocoder makes 4 n - 3 hundredths of a second of n latents, which are those of the time to the nearest."""
    rate, plan = 24_000, plan_segments(1000, fps)
    signal = np.ones((1, samples(1000, fps, rate)), np.float32)
    joined = joined_sound(plan, cut(signal, plan, fps, rate, short=rate // 20), fps, rate)
    ends = joined.shape[1] - rate // 20
    assert np.allclose(joined[:, : ends - rate // 100], 1)
    assert (joined[:, ends:] == 0).all()
    assert np.abs(np.diff(joined)).max() < 0.01


def test_sounds_that_differ_are_faded_without_a_click(fps):
    rate, plan = 24_000, plan_segments(1000, fps)
    signal = np.ones((1, samples(1000, fps, rate)), np.float32)
    made = [sound * (-1) ** number for number, sound in enumerate(cut(signal, plan, fps, rate))]
    assert np.abs(np.diff(joined_sound(plan, made, fps, rate))).max() < 0.002
