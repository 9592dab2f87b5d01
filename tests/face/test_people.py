"""Who is in a video: one track a person, through gaps, cuts and crossings."""

import numpy as np
import pytest

from xdub_core.errors import FaceError
from xdub_core.face.detector import Detection, detection_from_keypoints
from xdub_core.face.people import track_people
from xdub_core.face.track import track_faces

WIDTH, HEIGHT = 320, 180
COLORS = {"red": (200, 60, 50), "blue": (40, 60, 200), "green": (60, 180, 70)}
PATTERN = np.random.default_rng(0).uniform(-0.5, 0.5, (134, 2))


class Stage:
    """A video of plain coloured faces, and the detector that finds them: per frame {color: (x, y, side)}."""

    def __init__(self, frames, backdrops=None):
        self.faces = frames
        self.backdrops = backdrops or [0] * len(frames)

    def frames(self):
        for faces, backdrop in zip(self.faces, self.backdrops, strict=True):
            tiles = np.random.default_rng(backdrop).integers(0, 120, (9, 16, 3), np.uint8)
            picture = tiles.repeat(HEIGHT // 9, 0).repeat(WIDTH // 16, 1)
            for color, (x, y, side) in faces.items():
                low, high = np.array([x, y]) - 0.75 * side, np.array([x, y]) + 0.75 * side
                rows, columns = (
                    slice(max(0, int(a)), max(0, int(b))) for a, b in zip(low[::-1], high[::-1], strict=True)
                )
                picture[rows, columns] = COLORS[color]
            yield picture

    def detect(self, frames, numbers=None):
        return [faces[0] if faces else None for faces in self.detect_all(frames, numbers)]

    def detect_all(self, frames, numbers=None):
        return [[self.detection(*face) for face in self.faces[number].values()] for number in numbers]

    @staticmethod
    def detection(x, y, side):
        keypoints = np.ones((134, 3))
        keypoints[:, :2] = (x, y) + PATTERN * side
        return detection_from_keypoints(keypoints)

    def people(self, **options):
        return track_people(self.frames(), self, **options)


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
    assert first.track.present.all() and second.track.present.all()


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
