"""Whose lips shall move: what can be said, and who is meant."""

import numpy as np
import pytest

from tests.face.stage import Stage
from xdub_core.errors import FaceError
from xdub_core.face.choice import FacePoint, choose_person, parse_person

LEFT, RIGHT = {"red": (80, 90, 40)}, {"blue": (240, 90, 60)}


@pytest.fixture(scope="module")
def people():
    """Red on the left for a second, blue, larger, on the right for half of it; then a tiny green in passing."""
    frames = [LEFT] * 12 + [{**LEFT, **RIGHT}] * 13 + [{"green": (20, 40, 24), **LEFT}] * 0
    return Stage(frames).people()


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("2", 2),
        (" left ", "left"),
        ("Speaking", "speaking"),
        ("320,140@2.5", FacePoint(320, 140, 2.5)),
        ("320.5, 140 @ 0", FacePoint(320.5, 140, 0)),
    ],
)
def test_a_choice_is_read(text, choice):
    assert parse_person(text) == choice


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.5", "middle", "1,2", "1,2@", "1,2@-3", "nan,2@1", "1,2,3@4", "²"]
)
def test_what_names_nobody_is_told_with_what_does(text):
    with pytest.raises(
        FaceError, match=r"give a number from 1 on, left, right, largest, speaking, or X,Y@SECONDS"
    ):
        parse_person(text)


@pytest.mark.parametrize(("choice", "number"), [(1, 1), (2, 2), ("left", 1), ("right", 2), ("largest", 2)])
def test_people_are_chosen_by_number_place_and_size(people, choice, number):
    assert choose_person(people, choice).number == number


def test_without_a_choice_the_most_prominent_is_taken(people):
    assert choose_person(people).number == 1  # 40 pixels for 25 frames against 60 for 13


def test_who_passes_quickly_is_not_the_largest():
    frames = [LEFT] * 100 + [{**LEFT, "green": (240, 90, 80)}] * 6
    assert choose_person(Stage(frames).people(), "largest").number == 1


def test_a_face_is_chosen_by_a_point_in_it(people):
    assert choose_person(people, FacePoint(85, 95, 0.0)).number == 1
    assert choose_person(people, FacePoint(235, 95, 0.8)).number == 2


def test_a_point_beside_all_faces_says_where_they_are(people):
    with pytest.raises(
        FaceError, match=r"no face at \(240, 90\) at 0.2 s: there is person 1 from \(\d+, \d+\) to"
    ):
        choose_person(people, FacePoint(240, 90, 0.2))


def test_a_time_after_the_end_is_told(people):
    with pytest.raises(FaceError, match=r"no face at 7 s, since the video ends at 1\.00 s"):
        choose_person(people, FacePoint(85, 95, 7.0))


def test_a_time_when_nobody_is_there_is_told():
    people = Stage([LEFT] * 10 + [{}] * 10).people()
    with pytest.raises(FaceError, match="nobody is seen then"):
        choose_person(people, FacePoint(85, 95, 0.6))


def test_nobody_speaks_without_sound(people):
    for loudness in (None, np.zeros(25)):
        with pytest.raises(FaceError, match="no sound of its own"):
            choose_person(people, "speaking", loudness)
