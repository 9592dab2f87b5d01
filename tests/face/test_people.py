"""Who is in a video: one track a person, through gaps, cuts and crossings."""

import numpy as np
import pytest

from tests.face.stage import Stage
from xdub_core.errors import FaceError
from xdub_core.face.detector import Detection
from xdub_core.face.people import People, track_people
from xdub_core.face.track import track_faces
from xdub_core.job.packing import remembered
from xdub_core.job.store import Store


def centers(person):
    return (person.track.boxes[:, 0] + person.track.boxes[:, 2]) / 2


def test_people_are_numbered_by_first_appearance_then_left_to_right():
    both = {"red": (220, 90, 40), "blue": (80, 90, 40)}
    people = Stage([both] * 10 + [{**both, "green": (20, 40, 20)}] * 10).people()
    assert [person.number for person in people] == [1, 2, 3]
    assert np.allclose([centers(person)[-1] for person in people], [80, 220, 20], atol=10)
    assert [person.first_frame for person in people] == [0, 0, 10]
    assert people.person(3).seconds == pytest.approx(0.4)


def test_two_people_who_cross_keep_their_numbers():
    stage = Stage([{"red": (60 + 4 * t, 90, 40), "blue": (260 - 4 * t, 92, 40)} for t in range(50)])
    first, second = stage.people()
    assert centers(first)[0] < 110 and centers(first)[-1] > 220
    assert centers(second)[0] > 220 and centers(second)[-1] < 110
    assert first.track.present.mean() > 0.7 and second.track.present.all()  # the second hides the first


def test_who_is_hidden_while_crossing_comes_out_on_the_other_side():
    def frame(t):
        red, blue = 60 + 4 * t, 260 - 4 * t
        faces = {"red": (red, 90, 40), "blue": (blue, 90, 40)}
        return faces if abs(red - blue) > 30 else {"blue": faces["blue"]}

    first, second = Stage([frame(t) for t in range(50)]).people()
    assert centers(first)[-1] > 220 > centers(second)[-1]
    assert second.track.present.all()
    assert not first.track.present[24:26].any()


def test_a_cut_between_two_people_gives_two_people():
    one, two = {"red": (160, 90, 50)}, {"blue": (160, 90, 50)}
    people = Stage(([one] * 10 + [two] * 10) * 3, ([1] * 10 + [2] * 10) * 3).people()
    assert len(people) == 2
    assert people.person(1).track.present.tolist() == ([True] * 10 + [False] * 10) * 3
    assert people.person(2).track.present.tolist() == ([False] * 10 + [True] * 10) * 3


def test_who_leaves_and_returns_is_one_person_with_a_gap():
    red = {"red": (160, 90, 50)}
    people = Stage([red] * 20 + [{}] * 60 + [{"red": (60, 90, 45)}] * 20).people()
    assert len(people) == 1
    assert people.person(1).track.present.tolist() == [True] * 20 + [False] * 60 + [True] * 20
    assert people.person(1).seconds == pytest.approx(1.6)


def test_a_false_face_of_a_few_frames_is_nobody():
    red = {"red": (160, 90, 50)}
    people = Stage([red] * 10 + [{**red, "green": (40, 40, 20)}] * 3 + [red] * 10).people()
    assert len(people) == 1


def test_a_dropout_of_a_few_frames_is_the_same_person_in_the_same_shot():
    red = {"red": (160, 90, 50)}
    (person,) = Stage([red] * 10 + [{}] * 4 + [red] * 10).people()
    assert person.track.shot_numbers.tolist() == [0] * 24


def test_with_one_face_the_track_is_that_of_a_single_face():
    stage = Stage(
        [{"red": (100 + 3 * t, 90 + t % 3, 50)} for t in range(30)] + [{}] * 5 + [{"red": (190, 90, 50)}] * 9
    )
    (person,) = stage.people()
    alone = track_faces(stage.frames(), stage)
    assert np.array_equal(person.track.boxes, alone.boxes)
    assert np.array_equal(person.track.present, alone.present)
    assert np.array_equal(person.track.shot_numbers, alone.shot_numbers)
    assert person.track.cases == alone.cases


def test_a_detector_of_one_face_a_frame_will_do():
    class One:
        def detect(self, frames, numbers=None):
            return [Detection(np.array([10.0, 10, 60, 60]), 1.0) for _ in frames]

    (person,) = track_people(Stage([{"red": (35, 35, 30)}] * 8).frames(), One())
    assert person.track.boxes[0].tolist() == [10, 10, 60, 60]


def test_a_video_shorter_than_the_shortest_stay_has_its_people():
    assert len(Stage([{"red": (160, 90, 50)}] * 2).people()) == 1


def test_no_such_person_says_who_there_is():
    people = Stage([{"red": (160, 90, 50)}] * 5).people()
    with pytest.raises(FaceError, match="no person 2: the video has only person 1"):
        people.person(2)


def test_a_video_without_faces_is_an_error():
    with pytest.raises(FaceError, match="no face in any of the 5 frames"):
        Stage([{}] * 5).people()


def test_people_can_be_kept_and_read_again(tmp_path):
    people = Stage(
        [{"red": (80, 90, 40)}] * 10 + [{"red": (80, 90, 40), "blue": (240, 90, 60)}] * 10
    ).people()
    store = Store(tmp_path)
    made = remembered(store, "faces", "0" * 32, People, lambda: people)
    again = remembered(store, "faces", "0" * 32, People, lambda: pytest.fail("they were looked for again"))
    assert made is people and [one.number for one in again] == [1, 2]
    for one, other in zip(people, again, strict=True):
        assert np.array_equal(one.track.boxes, other.track.boxes)
        assert np.array_equal(one.track.reasons, other.track.reasons)
        assert one.track.cases == other.track.cases
        assert np.array_equal(one.portrait, other.portrait)
        assert np.array_equal(one.mouth_motion, other.mouth_motion, equal_nan=True)
