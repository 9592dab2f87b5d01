"""A video at a glance: bounded in size, with everybody in it, and where the engine found them."""

import numpy as np
import pytest

from tests.face.stage import Stage
from xdub_core.face.glance import (
    COLUMNS,
    boxes_at,
    foremost,
    seen,
    sheet,
    stretches,
    strip_frames,
)
from xdub_core.face.presence import Reason
from xdub_core.face.track import FaceTrack

HOUR = 25 * 3600


def track(present, reasons=None, box=(10, 20, 50, 60), size=(100, 80)):
    present = np.asarray(present, bool)
    boxes = np.tile(np.array(box, float), (len(present), 1))
    return FaceTrack(boxes, present, np.where(present, 0, -1), size, reasons=reasons)


def shown_at(*spans, count=HOUR):
    present = np.zeros(count, bool)
    for start, stop in spans:
        present[start:stop] = True
    return track(present)


@pytest.mark.parametrize("count", [1, 7, 60, 61, 1000, HOUR])
def test_frames_are_spread_over_the_whole_video(count):
    frames = strip_frames([shown_at((0, count), count=count)])
    assert frames[0] == 0 and frames[-1] == count - 1
    assert len(frames) == len(set(frames)) == min(count, 60)


def test_who_is_in_none_of_them_adds_one():
    frames = strip_frames([shown_at((0, HOUR)), shown_at((40_001, 40_011)), shown_at((70_001, 70_002))])
    assert len(frames) == 62 and {40_006, 70_001} <= set(frames)
    assert frames == sorted(frames)


def test_boxes_are_of_those_who_are_there_in_parts_of_the_frame():
    boxes = boxes_at([shown_at((0, 5), count=10), shown_at((3, 10), count=10)], [0, 4, 9])
    place = [0.1, 0.25, 0.5, 0.75]
    assert boxes == [[[0, *place]], [[0, *place], [1, *place]], [[1, *place]]]


def test_a_face_that_cannot_be_dubbed_is_seen():
    reasons = np.array([Reason.THERE, Reason.TURNED, Reason.NOT_FOUND], np.uint8)
    face = track([True, False, False], reasons)
    assert seen(face).tolist() == [True, True, False]
    assert stretches(face) == [[0, 2]]


def test_stretches_have_every_frame_of_a_short_video():
    assert stretches(shown_at((0, 10), (12, 15), (99, 100), count=100)) == [[0, 10], [12, 15], [99, 100]]
    assert stretches(shown_at(count=100)) == []


def test_stretches_of_a_long_video_are_few():
    flickering = track(np.arange(HOUR) % 2 == 0)
    assert stretches(flickering) == [[0, HOUR - 1]]
    often = track(np.arange(HOUR) // 300 % 2 == 0)  # 12 s on, 12 s off
    assert len(stretches(often)) <= 400


def test_pictures_stand_in_rows_and_are_made_smaller():
    deep = [np.full((90, 160, 3), value * 257, np.uint16) for value in range(COLUMNS + 1)]
    made = sheet(deep, 80)
    assert made.shape == (2 * 45, COLUMNS * 80, 3) and made.dtype == np.uint8
    assert made[10, 85:155].mean() == 1 and made[50, 5].mean() == COLUMNS and made[50, 85:].max() == 0
    assert sheet(deep[:2], 1000).shape == (90, 320, 3)


def test_of_a_crowd_those_are_told_who_are_seen_the_longest():
    both = {"red": (220, 90, 40), "blue": (80, 90, 40)}
    people = Stage([both] * 10 + [{"red": both["red"]}] * 10).people()
    longest = max(people, key=lambda person: person.frames)
    assert foremost(people, 1) == (longest,)
    assert foremost(people) == people.everybody
