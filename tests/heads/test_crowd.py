"""Several people in one picture."""

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.heads.crowd import Actor, Place, render_crowd
from xdub_core.heads.performance import make_performance
from xdub_core.heads.person import make_person
from xdub_core.heads.visemes import mouth_track


def actor(number, place):
    return Actor(make_performance(make_person(number), mouth_track((), 4), number, hard=0.0), place)


def picture(*actors):
    return next(render_crowd(actors, 0, 1, 160, 96))


def test_each_head_is_drawn_where_it_was_put():
    left, right = actor(3, lambda _: Place(40, 45, 60)), actor(4, lambda _: Place(120, 50, 40))
    shown = picture(left, right)
    for head, (x, y, height) in zip(shown.heads, [(40, 45, 60), (120, 50, 40)], strict=True):
        middle = (head.face_box[:2] + head.face_box[2:]) / 2
        np.testing.assert_allclose(middle, (x, y), atol=0.2 * height)
        assert 0.4 * height < head.face_box[3] - head.face_box[1] < height


def test_the_later_actor_hides_the_earlier_and_nothing_else():
    behind, before = actor(3, lambda _: Place(60, 45, 60)), actor(4, lambda _: Place(90, 50, 60))
    alone, both = picture(behind), picture(behind, before)
    hidden = both.heads[1].face_mask
    assert (both.image[hidden] != alone.image[hidden]).any(axis=-1).mean() > 0.95
    assert np.array_equal(both.image[:, :20], alone.image[:, :20])


def test_who_has_no_place_is_not_there():
    there, gone = actor(3, lambda _: Place(60, 45, 60)), actor(4, lambda _: None)
    shown = picture(there, gone)
    assert shown.heads[1] is None
    assert np.array_equal(shown.image, picture(there).image)


def test_a_crowd_of_nobody_is_an_error():
    with pytest.raises(SettingsError, match="one actor"):
        picture()
