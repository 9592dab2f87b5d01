"""Frames in which a face is of no use, and changes that come and go with the face."""

import numpy as np
import pytest

from tests.face.stage import Stage
from xdub_core.face.detector import FACE_POINTS, Detection, detection_from_keypoints
from xdub_core.face.landmarks import keypoints_from_face68
from xdub_core.face.people import track_people
from xdub_core.face.presence import FADE, Reason, fades, unfit
from xdub_core.mini.detector import face_keypoints

PLAIN = face_keypoints(np.array([0.0, 0, 100, 100]))[FACE_POINTS]
SIZE = (320, 180)


def head(yaw=0.0, scores=0.7, lips=None):
    """68 points [68, 3] of a head turned by `yaw` degrees, about 60 pixels large."""
    x, y = (PLAIN[:, :2] - 50).T
    depth = 45 * (1 - (x / 60) ** 2)  # a cylinder, the nose before it
    depth[27:36] += 12
    turned = x * np.cos(np.radians(yaw)) + (depth - 30) * np.sin(np.radians(yaw))
    points = np.stack([160 + 0.6 * turned, 90 + 0.6 * y, np.full(68, scores)], axis=1)
    if lips is not None:
        points[48:, 2] = lips
    return points


def reasons(heads):
    points = np.stack(heads) / (*SIZE, 1)
    return [Reason(reason) for reason in unfit(points, SIZE)]


@pytest.mark.parametrize("yaw", [-45, -30, 0, 30, 45])
def test_a_face_that_is_plainly_there_is_never_judged_away(yaw):
    assert set(reasons([head(yaw)] * 8)) == {Reason.THERE}


@pytest.mark.parametrize("yaw", [-85, 85])
def test_a_profile_is_turned_away(yaw):
    assert set(reasons([head(yaw)] * 8)) == {Reason.TURNED}


def test_hidden_lips_are_told_by_their_scores():
    assert set(reasons([head(lips=0.08)] * 8)) == {Reason.HIDDEN}
    assert set(reasons([head(lips=0.3)] * 8)) == {Reason.THERE}


def test_a_face_that_scores_low_everywhere_is_not_hidden():
    assert set(reasons([head(scores=0.15)] * 8)) == {Reason.THERE}


def test_two_odd_frames_are_not_enough():
    assert set(reasons([head()] * 5 + [head(85)] * 2 + [head()] * 5)) == {Reason.THERE}


class Heads:
    """A detector of one face with given points a frame."""

    def __init__(self, heads):
        self.heads = heads

    def detect(self, frames, numbers=None):
        return [detection_from_keypoints(keypoints_from_face68(self.heads[number])) for number in numbers]

    def track(self):
        frames = (np.zeros((SIZE[1], SIZE[0], 3), np.uint8) for _ in self.heads)
        (person,) = track_people(frames, self)
        return person.track


def test_a_turned_head_ends_a_shot_and_says_why():
    track = Heads([head()] * 20 + [head(85)] * 20 + [head()] * 20).track()
    assert track.present.tolist() == [True] * 20 + [False] * 20 + [True] * 20
    assert set(track.reasons[20:40]) == {Reason.TURNED}
    assert track.shot_numbers.tolist() == [0] * 20 + [-1] * 20 + [1] * 20
    assert len(track.cases) == 2


def test_a_head_that_turns_for_a_moment_stays_in_its_shot():
    track = Heads([head()] * 20 + [head(85)] * 6 + [head()] * 20).track()
    assert not track.present[20:26].any()
    assert set(track.shot_numbers) == {0}


def test_a_tiny_face_is_not_there():
    near, far = {"red": (160, 90, 50)}, {"red": (160, 90, 12)}
    shrinking = [{"red": (160, 90, 50 * 0.96**t)} for t in range(36)]
    (person,) = Stage([near] * 10 + shrinking + [far] * 20).people()
    assert person.track.present[:10].all() and not person.track.present[-20:].any()
    assert set(person.track.reasons[-20:]) == {Reason.TINY}


def test_frames_without_the_face_are_told_from_those_in_which_it_is_unfit():
    red = {"red": (160, 90, 50)}
    (person,) = Stage([red] * 10 + [{}] * 20 + [red] * 10).people()
    assert person.track.reasons.tolist() == [0] * 10 + [Reason.NOT_FOUND] * 20 + [0] * 10


def test_every_reason_can_be_told():
    assert all(reason.told for reason in Reason)


def test_a_change_comes_and_goes_with_the_face():
    strengths = fades(np.array([False] * 3 + [True] * 20 + [False] * 3), ())
    ramp = (np.arange(FADE) + 1) / (FADE + 1)
    np.testing.assert_allclose(strengths[3 : 3 + FADE], ramp)
    np.testing.assert_allclose(strengths[23 - FADE : 23], ramp[::-1])
    assert (strengths[3 + FADE : 23 - FADE] == 1).all()
    assert (strengths[:3] == 0).all() and (strengths[23:] == 0).all()


def test_nothing_fades_where_the_video_begins_and_ends():
    assert fades(np.ones(10, bool), ()) is None


def test_nothing_fades_at_a_hard_cut():
    assert fades(np.ones(10, bool), (4,)) is None
    strengths = fades(np.array([False] * 6 + [True] * 10), (6,))
    assert (strengths[6:] == 1).all()


def test_a_short_appearance_is_not_at_full_strength():
    assert fades(np.array([False, True, True, False]), ()).max() == np.float32(1 / (FADE + 1))


def test_a_box_is_never_judged():
    class Boxes:
        def detect(self, frames, numbers=None):
            return [Detection(np.array([10.0, 10, 60, 60]), 1.0) for _ in frames]

    (person,) = track_people((np.zeros((90, 160, 3), np.uint8) for _ in range(6)), Boxes())
    assert person.track.present.all()


def moved(x, y=0.0):
    """A head in another place."""
    return head() + np.array([x, y, 0])


@pytest.mark.parametrize(("x", "y"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_who_walks_out_of_the_picture_is_left_alone_from_the_edge_on(x, y):
    far = np.concatenate([np.zeros(20), np.arange(0, 200, 4)])
    track = Heads([moved(x * step, y * step) for step in far]).track()
    assert track.present[:20].all() and not track.present[-5:].any()
    assert np.count_nonzero(np.diff(track.present.astype(int))) == 1
    assert set(track.reasons[~track.present]) == {Reason.CUT_OFF}
    middles = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2 - (160, 90)
    off = np.abs(middles - middles[0] - far[:, None] * (x, y)).max(axis=1)
    assert (off[track.present] < 0.4 * (track.boxes[0, 2] - track.boxes[0, 0])).all()


def test_who_stays_at_the_edge_is_there():
    assert Heads([moved(130)] * 30).track().present.all()
    assert Heads([moved(0, 50)] * 30).track().present.all()
