"""Who speaks: whose mouth moves with the sound."""

from dataclasses import replace

import numpy as np
import pytest

from tests.face.stage import Stage
from xdub_core.errors import FaceError
from xdub_core.face.choice import choose_person
from xdub_core.face.people import track_people
from xdub_core.face.speaking import speaking_scores

FRAMES = 120
TALK = np.tile(np.repeat([1.0, 0.0], 15), FRAMES // 30)  # speech and pauses of 0.6 s
RNG = np.random.default_rng(3)
BOTH = {"red": (80, 90, 40), "blue": (240, 90, 40)}


def opening(moves: np.ndarray) -> np.ndarray:
    """A mouth [frames] that opens and closes as strongly as `moves` says."""
    return moves * RNG.uniform(0, 0.3, FRAMES) + RNG.normal(0, 0.004, FRAMES)


class Mouths(Stage):
    """A stage whose actors open their mouths: {color: openness [frames]}."""

    def __init__(self, mouths, frames=None):
        super().__init__(frames or [BOTH] * FRAMES)
        self.mouths = mouths

    def detect_all(self, frames, numbers=None):
        return [
            [
                replace(self.detection(*face), openness=float(self.mouths[color][number]))
                for color, face in self.faces[number].items()
            ]
            for number in numbers
        ]

    def speaker(self, loudness=TALK):
        return choose_person(track_people(self.frames(), self), "speaking", loudness).number


def test_the_mouth_that_moves_with_the_sound_speaks():
    assert Mouths({"red": opening(np.zeros(FRAMES)), "blue": opening(TALK)}).speaker() == 2
    assert Mouths({"red": opening(TALK), "blue": opening(np.zeros(FRAMES))}).speaker() == 1


def test_who_chews_all_the_time_does_not_speak():
    assert Mouths({"red": opening(np.full(FRAMES, 1.0)), "blue": opening(TALK)}).speaker() == 2


def test_who_moves_in_the_pauses_does_not_speak():
    assert Mouths({"red": opening(1 - TALK), "blue": opening(0.6 * TALK)}).speaker() == 2


def test_where_there_is_sound_all_the_time_the_mouth_that_moves_speaks():
    assert Mouths({"red": opening(np.zeros(FRAMES)), "blue": opening(TALK)}).speaker(np.ones(FRAMES)) == 2


def test_of_people_who_alternate_the_one_seen_during_the_sound_speaks():
    frames = [{"red": BOTH["red"]} if loud else {"blue": BOTH["blue"]} for loud in TALK]
    moving = opening(np.ones(FRAMES))
    assert Mouths({"red": moving, "blue": moving}, frames).speaker() == 1


def test_where_no_mouth_moves_nobody_speaks():
    still = np.full(FRAMES, 0.1)
    with pytest.raises(FaceError, match="nobody's mouth moves with the video's sound"):
        Mouths({"red": still, "blue": still}).speaker()


def test_scores_of_silence_are_nought():
    people = track_people((stage := Mouths({"red": opening(TALK), "blue": opening(TALK)})).frames(), stage)
    assert speaking_scores(people, np.zeros(FRAMES)) == [0.0, 0.0]
