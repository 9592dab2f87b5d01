"""People in rendered footage: who crosses, who is cut to, who leaves and returns, who speaks."""

import numpy as np
import pytest
import torch

from tests.mini.crowds import Place, actor, frames, middles
from xdub_core.face.choice import choose_person
from xdub_core.face.people import track_people
from xdub_core.mini.loading import load_mini


@pytest.fixture(scope="module")
def detector():
    torch.set_num_threads(1)
    return load_mini().detector


def test_two_people_who_cross_keep_their_numbers(detector):
    first = actor(20, lambda frame: Place(50 + 5.5 * frame, 90, 80))
    second = actor(21, lambda frame: Place(270 - 5.5 * frame, 95, 90))
    one, other = track_people(iter(frames([first, second], 0, 40)), detector)
    assert middles(one)[0] < 100 and middles(one)[-1] > 220
    assert middles(other)[0] > 220 and middles(other)[-1] < 100
    assert one.track.present.mean() > 0.6 and other.track.present.mean() > 0.9  # the second hides the first


def test_a_cut_between_two_people_every_second_gives_two_people(detector):
    near, far = actor(22, Place(150, 95, 110)), actor(23, Place(180, 85, 70))
    shown = []
    for second in range(4):
        who, scene = ((near, 1), (far, 2))[second % 2]
        shown += frames([who], 10 * second, 10 * second + 10, scene=scene)
    people = track_people(iter(shown), detector)
    assert len(people) == 2
    assert people.person(1).track.present.tolist() == ([True] * 10 + [False] * 10) * 2
    assert people.person(2).track.present.tolist() == ([False] * 10 + [True] * 10) * 2


def test_who_leaves_and_returns_is_one_person_with_a_gap(detector):
    def place(frame):
        return Place(90, 90, 90) if frame < 10 else Place(230, 90, 80) if frame >= 40 else None

    who, empty = actor(24, place), frames([actor(24, place)], 11, 12)
    shown = [*frames([who], 0, 10), *empty * 30, *frames([who], 40, 50)]
    (person,) = track_people(iter(shown), detector)
    assert person.track.present[:10].all() and person.track.present[-9:].all()
    assert not person.track.present[10:40].any()


def test_the_mouth_that_moves_with_the_sound_is_the_speakers(detector):
    rng = np.random.default_rng(0)
    loud = np.tile(np.repeat([1.0, 0.0], 8), 2)
    mouth = np.zeros((len(loud), 8), np.float32)
    mouth[:, 0] = mouth[:, 3] = loud * rng.uniform(0, 1, len(loud))
    silent, speaking = actor(25, Place(90, 95, 110)), actor(26, Place(230, 95, 110), mouth)
    people = track_people(iter(frames([silent, speaking], 0, len(loud))), detector)
    assert choose_person(people, "speaking", loud).number == 2
