"""The plan of a dub: shots, the clips that cover them, and their numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dub.fakes import SETTINGS, scene, track_of
from xdub_core.dub.shots import plan_dub, plan_shots, shots_of, slots_of_shot
from xdub_core.errors import FaceError
from xdub_core.media.timeline import ping_pong


def test_shots_are_read_off_their_numbers():
    assert shots_of(np.array([-1, 0, 0, 1, 1, -1, -1, 2])) == (range(1, 3), range(3, 5), range(7, 8))
    assert shots_of(np.array([-1, -1])) == ()


@settings(deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=1, max_size=40), st.integers(1, 90), st.integers(0, 3))
def test_clips_only_ever_see_their_own_shot(shot, frames, longer):
    shot = np.sort(np.array(shot))
    a_scene = scene(len(shot), frames, shot >= 0, shot)
    for part in shots_of(shot[a_scene.slots]):
        slots = slots_of_shot(a_scene.speakers[0].track, a_scene.frames, part, len(part) + 13 * longer)
        assert np.array_equal(slots[: len(part)], a_scene.slots[part.start : part.stop])
        assert len(set(shot[slots])) == 1


def test_a_shot_that_lasts_to_the_end_sees_what_the_video_goes_on_with():
    a_scene = scene(20, 15)
    assert (
        slots_of_shot(a_scene.speakers[0].track, a_scene.frames, range(15), 25).tolist()
        == ping_pong(20, 25).tolist()
    )


def test_every_shot_is_planned_as_a_chain_of_its_own():
    shot = np.repeat([0, -1, 1], [20, 5, 9])
    a_scene = scene(34, 34, shot >= 0, shot)
    first, second = plan_shots(a_scene.speakers[0].track, 34, SETTINGS.geometry)
    assert (first.frames, second.frames) == (range(20), range(25, 34))
    assert (len(first.clips), len(second.clips)) == (2, 1)
    assert (len(first.slots), len(second.slots)) == (first.clips[-1].stop, 13)
    assert set(shot[first.slots]) == {0} and set(shot[second.slots]) == {1}


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
