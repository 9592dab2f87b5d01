"""The plan of a dub: shots, the clips that cover them, and their numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dub.fakes import SETTINGS, scene, speaker, track_of
from xdub_core.dub.shots import plan_dub, plan_shots, shots_of, slots_of_shot
from xdub_core.errors import FaceError
from xdub_core.media.timeline import Extend, ping_pong


def test_shots_are_read_off_their_numbers():
    track = track_of([-1, 0, 0, 1, 1, -1, -1, 2])
    assert shots_of(track, np.arange(8)) == (range(1, 3), range(3, 5), range(7, 8))
    assert shots_of(track_of([-1, -1]), np.arange(2)) == ()
    assert shots_of(track, np.arange(0)) == ()


def test_a_jump_begins_a_shot_also_where_the_face_is_at_both_of_its_ends():
    assert shots_of(track_of(np.zeros(4, int)), np.array([0, 1, 2, 3, 0, 1])) == (range(4), range(4, 6))


@settings(deadline=None)
@given(
    st.lists(st.integers(-1, 2), min_size=1, max_size=40),
    st.integers(1, 90),
    st.integers(0, 3),
    st.sampled_from(Extend),
)
def test_clips_only_ever_see_their_own_shot(shot, frames, longer, extend):
    shot = np.sort(np.array(shot))
    a_scene = scene(len(shot), frames, shot >= 0, shot, extend=extend)
    track = a_scene.speakers[0].track
    for part in shots_of(track, a_scene.slots):
        slots = slots_of_shot(track, a_scene.frames, part, len(part) + 13 * longer, a_scene.slots_for)
        assert np.array_equal(slots[: len(part)], a_scene.slots[part.start : part.stop])
        assert len(set(shot[slots])) == 1
        assert np.all(np.abs(np.diff(slots)) <= 1)


@settings(deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=1, max_size=40), st.integers(1, 90), st.sampled_from(Extend))
def test_every_frame_with_a_face_is_in_one_shot_of_the_plan_and_no_other_is(shot, frames, extend):
    track = track_of(shot)
    shown = scene(len(shot), frames, speakers=[speaker(track)], extend=extend).slots
    if not track.present[shown].any():
        return
    plans = plan_shots(track, frames, SETTINGS.geometry, extend)
    planned = [frame for plan in plans for frame in plan.frames]
    assert planned == np.flatnonzero(track.present[shown]).tolist()
    for plan in plans:
        assert plan.slots[: len(plan.frames)].tolist() == shown[plan.frames].tolist()


@settings(deadline=None)
@given(st.integers(4, 40), st.integers(1, 120))
def test_no_chain_of_clips_crosses_the_restart_of_a_loop(slots, frames):
    plans = plan_shots(track_of(np.zeros(slots, int)), frames, SETTINGS.geometry, Extend.LOOP)
    assert [plan.frames for plan in plans] == [
        range(start, min(start + slots, frames)) for start in range(0, frames, slots)
    ]
    numbers = [clip.number for plan in plans for clip in plan.clips]
    assert numbers == list(range(len(numbers)))


def test_a_loop_of_three_frames_is_as_good_as_a_bounce_and_one_chain():
    for slots in (1, 2, 3):
        (plan,) = plan_shots(track_of(np.zeros(slots, int)), 30, SETTINGS.geometry, Extend.LOOP)
        assert plan.frames == range(30)


def test_a_face_that_is_held_goes_on_in_the_chain_that_it_began_in():
    track = track_of(np.repeat([0, 1], [20, 9]))
    _, second = plan_shots(track, 60, SETTINGS.geometry, Extend.HOLD)
    assert second.frames == range(20, 60)
    assert set(second.slots[9:]) == {28}


def test_a_loop_that_begins_without_a_face_has_its_shots_apart():
    track = track_of(np.repeat([-1, 0], [4, 6]))
    plans = plan_shots(track, 20, SETTINGS.geometry, Extend.LOOP)
    assert [plan.frames for plan in plans] == [range(4, 10), range(14, 20)]


def test_a_shot_that_lasts_to_the_end_sees_what_the_video_goes_on_with():
    a_scene = scene(20, 15)
    assert (
        slots_of_shot(a_scene.speakers[0].track, a_scene.frames, range(15), 25, a_scene.slots_for).tolist()
        == ping_pong(20, 25).tolist()
    )


def test_every_shot_is_planned_as_a_chain_of_its_own():
    shot = np.repeat([0, -1, 1], [20, 5, 9])
    a_scene = scene(34, 34, shot >= 0, shot)
    first, second = plan_shots(a_scene.speakers[0].track, 34, SETTINGS.geometry)
    assert (first.frames, second.frames) == (range(20), range(25, 34))
    assert (len(first.clips), len(second.clips)) == (2, 1)
    assert (len(first.slots), len(second.slots)) == (first.clips[-1].stop, 9)
    assert set(shot[first.slots]) == {0} and set(shot[second.slots]) == {1}


def test_as_released_clips_of_full_length_see_a_short_shot_to_and_fro():
    shot = np.repeat([0, 1], [20, 4])
    _, second = plan_shots(track_of(shot), 24, SETTINGS.geometry, fitted=False)
    assert (len(second.frames), second.clips[-1].frames) == (4, 13)
    assert second.slots.tolist() == [20, 21, 22, 23, 22, 21, 20, 21, 22, 23, 22, 21, 20]


def test_clips_are_numbered_over_all_speakers_the_first_one_s_first():
    first, second = (np.repeat([0, -1, 1], [20, 5, 9]), np.repeat([-1, 0], [10, 24]))
    plans = plan_dub([track_of(first), track_of(second)], 34, SETTINGS.geometry)
    numbers = [[clip.number for shot in shots for clip in shot.clips] for shots in plans]
    assert numbers == [[0, 1, 2], [3, 4, 5]]


def test_whoever_does_not_appear_hinders_nobody_but_somebody_must():
    nobody, somebody = track_of(np.full(34, -1)), track_of(np.zeros(34, int))
    assert [len(shots) for shots in plan_dub([nobody, somebody], 34, SETTINGS.geometry)] == [0, 1]
    with pytest.raises(FaceError, match="no face in the first 34 frames"):
        plan_dub([nobody, nobody], 34, SETTINGS.geometry)
