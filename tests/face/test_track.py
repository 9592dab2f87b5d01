"""Tracks: what is detected, what is between, what is absent, where shots end."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.errors import FaceError
from xdub_core.face import smoothing
from xdub_core.face.boxes import FixedBox, FrameBoxes
from xdub_core.face.detector import FACE_POINTS, detection_from_keypoints
from xdub_core.face.found import Found
from xdub_core.face.smoothing import SmoothingCase, smooth_boxes
from xdub_core.face.track import Watched, track_faces, track_of

WIDTH, HEIGHT = 320, 240
PATTERN = np.random.default_rng(0).uniform(-0.5, 0.5, (134, 2))


def frames(count, height=HEIGHT, width=WIDTH):
    return (np.zeros((height, width, 3), np.uint8) for _ in range(count))


class Points:
    """A detector of faces at given centres and sides; None where there is none. Remembers what it was shown."""

    def __init__(self, faces):
        self.faces = faces
        self.seen = []
        self.batches = []

    def detect(self, frames, numbers=None):
        self.seen += numbers
        self.batches.append(len(frames))
        return [None if self.faces[n] is None else self.detection(self.faces[n]) for n in numbers]

    @staticmethod
    def detection(face):
        x, y, side = face
        keypoints = np.ones((134, 3))
        keypoints[:, :2] = (x, y) + PATTERN * side
        return detection_from_keypoints(keypoints)


def centers(track):
    return (track.boxes[:, :2] + track.boxes[:, 2:]) / 2


def test_the_users_square_box_is_used_exactly_as_given():
    box = [24, 46, 426, 448]
    track = track_faces(frames(5, 660, 450), FixedBox(box))
    assert np.array_equal(track.boxes, np.tile(np.array(box, float), (5, 1)))
    assert track.present.all()
    assert track.shot_numbers.tolist() == [0] * 5
    assert len(track) == 5


def test_a_users_oblong_box_grows_to_a_square_around_its_centre():
    track = track_faces(frames(2), FixedBox([100, 50, 140, 130]))
    assert track.boxes[0].tolist() == [80, 50, 160, 130]


def test_a_square_that_would_leave_the_frame_is_moved_into_it():
    assert track_faces(frames(1), FixedBox([0, 50, 40, 130])).boxes[0].tolist() == [0, 50, 80, 130]
    assert track_faces(frames(1), FixedBox([0, 0, 320, 240])).boxes[0].tolist() == [40, 0, 280, 240]


def test_boxes_between_detected_frames_are_interpolated():
    boxes = [[x, 40, x + 50, 90] for x in range(11)]
    track = track_faces(frames(11), FrameBoxes(boxes), every=4)
    np.testing.assert_allclose(track.boxes, boxes, atol=1e-9)


def test_every_third_frame_and_the_last_are_shown_to_the_detector_in_batches():
    detector = Points([(160, 120, 60)] * 11)
    track = track_faces(frames(11), detector, every=3, batch=2)
    assert detector.seen == [0, 3, 6, 9, 10]
    assert detector.batches == [2, 2, 1]
    assert len(track) == 11


def test_keypoints_are_smoothed_as_the_recipe_says():
    faces = [(160 + t, 120, 60) for t in range(30)]
    track = track_faces(frames(30), Points(faces), as_released=True)
    keypoints = np.stack([Points.detection(face).keypoints for face in faces])
    keypoints[..., :2] /= WIDTH, HEIGHT
    boxes, case = smooth_boxes(keypoints[:, FACE_POINTS], (WIDTH, HEIGHT), as_released=True)
    assert np.array_equal(track.boxes, boxes)
    assert track.cases == (case,)


def test_frames_without_a_face_are_absent_and_bridge_one_shot():
    faces = [(160, 120, 60)] * 10 + [None] * 5 + [(164, 120, 60)] * 10
    track = track_faces(frames(25), Points(faces))
    assert track.present.tolist() == [True] * 10 + [False] * 5 + [True] * 10
    assert set(track.shot_numbers) == {0}
    assert track.cases == (SmoothingCase.STILL,)


def test_a_long_absence_ends_a_shot():
    faces = [None] * 3 + [(100, 120, 60)] * 10 + [None] * 30 + [(100, 120, 60)] * 10
    track = track_faces(frames(53), Points(faces))
    assert track.shot_numbers.tolist() == [-1] * 3 + [0] * 10 + [-1] * 30 + [1] * 10
    assert np.isfinite(track.boxes).all()


def test_boxes_do_not_glide_through_a_cut():
    faces = [(80, 120, 50)] * 20 + [(240, 100, 90)] * 20
    track = track_faces(frames(40), Points(faces))
    assert track.shot_numbers.tolist() == [0] * 20 + [1] * 20
    assert track.cases == (SmoothingCase.STILL,) * 2
    assert len(np.unique(track.boxes[:20], axis=0)) == len(np.unique(track.boxes[20:], axis=0)) == 1
    assert np.abs(centers(track)[20] - centers(track)[19])[0] > 100


def scenes(*lengths):
    """Frames of one picture after the other, each for so many frames."""
    rng = np.random.default_rng(5)
    for length in lengths:
        tiles = rng.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
        yield from (tiles.repeat(16, 0).repeat(16, 1) for _ in range(length))


def test_a_cut_ends_a_shot_where_the_face_stays_in_its_place():
    track = track_faces(scenes(10, 12), Points([(160, 120, 60)] * 22))
    assert track.shot_numbers.tolist() == [0] * 10 + [1] * 12
    assert track.present.all()
    assert len(track.cases) == 2


@pytest.mark.parametrize("lengths", [(10, 11), (11, 10), (12, 9), (13, 8), (14, 7)])
def test_frames_between_detections_belong_to_their_side_of_a_cut(lengths):
    faces = [(100 + t, 120, 60) for t in range(lengths[0])] + [(130 - t, 120, 70) for t in range(lengths[1])]
    track = track_faces(scenes(*lengths), Points(faces), every=5)
    assert track.shot_numbers.tolist() == [0] * lengths[0] + [1] * lengths[1]
    assert track.present.all()
    for shot in (0, 1):
        inside = track.boxes[track.shot_numbers == shot]
        assert np.ptp(inside[:, 2] - inside[:, 0]) < 1e-6


def test_a_shot_between_two_detections_has_no_face():
    track = track_faces(scenes(6, 3, 12), Points([(160, 120, 60)] * 21), every=5)
    assert track.shot_numbers.tolist() == [0] * 6 + [-1] * 3 + [1] * 12
    assert track.present.tolist() == [True] * 6 + [False] * 3 + [True] * 12


def test_an_absence_is_not_bridged_across_a_cut():
    faces = [(150, 120, 60)] * 8 + [None] * 6 + [(160, 120, 60)] * 8
    track = track_faces(scenes(11, 11), Points(faces))
    assert track.shot_numbers.tolist() == [0] * 8 + [-1] * 6 + [1] * 8
    assert len(np.unique(track.boxes[:11], axis=0)) == len(np.unique(track.boxes[11:], axis=0)) == 1
    assert np.abs(centers(track)[11] - centers(track)[10])[0] > 5


def test_one_given_box_is_cut_with_the_pictures():
    track = track_faces(scenes(5, 5), FixedBox([24, 46, 124, 146]))
    assert track.shot_numbers.tolist() == [0] * 5 + [1] * 5


def test_the_reference_knows_no_cuts_of_the_picture():
    track = track_faces(scenes(10, 10), Points([(160, 120, 60)] * 20), as_released=True)
    assert set(track.shot_numbers) == {0}


def test_the_reference_knows_no_cuts():
    faces = [(80, 120, 50)] * 20 + [(240, 100, 90)] * 20
    track = track_faces(frames(40), Points(faces), as_released=True)
    assert set(track.shot_numbers) == {0}
    assert np.array_equal(track.boxes, track.boxes.round())


def test_a_fast_walk_is_not_a_cut():
    faces = [(60 + 5 * t, 120, 60) for t in range(40)]
    assert set(track_faces(frames(40), Points(faces)).shot_numbers) == {0}
    assert set(track_faces(frames(40), Points(faces), every=5).shot_numbers) == {0}


def test_a_face_point_that_is_not_known_does_not_move_the_box():
    class Partly(Points):
        @staticmethod
        def detection(face):
            keypoints = Points.detection(face).keypoints
            keypoints[30:34] = 0
            return detection_from_keypoints(keypoints)

    faces = [(160, 120, 60)] * 20
    whole = track_faces(frames(20), Points(faces))
    partly = track_faces(frames(20), Partly(faces))
    assert np.abs(whole.boxes - partly.boxes).max() < 20


def test_no_face_at_all_says_what_to_do():
    with pytest.raises(FaceError, match=r"no face in any of the 4 frames.*give the face box yourself$"):
        track_faces(frames(4), Points([None] * 4))


def test_no_frames_is_an_error():
    with pytest.raises(FaceError, match="no frames"):
        track_faces(frames(0), FixedBox([0, 0, 9, 9]))


def test_frames_of_two_sizes_are_an_error_that_names_the_frame():
    mixed = [*frames(2), *frames(1, 100, 100)]
    with pytest.raises(FaceError, match="frame 2 has 100 x 100"):
        track_faces(mixed, FixedBox([0, 0, 9, 9]))


@pytest.mark.parametrize("wrong", [{"every": 0}, {"batch": 0}])
def test_wrong_settings_are_errors(wrong):
    with pytest.raises(FaceError, match="1 or more"):
        track_faces(frames(1), FixedBox([0, 0, 9, 9]), **wrong)


@pytest.mark.parametrize("every", [1, 6])
def test_little_is_kept_of_each_frame(every, monkeypatch):
    """Memory grows with the points of the frames looked at, and not with whole detections and copies of them."""

    def peak(count):
        found = Found()
        tracemalloc.start()
        try:
            for number in range(0, count, every):
                found.add(number, Points.detection((160 + number % 50, 120, 60)), (WIDTH, HEIGHT))
            looked_at = np.array(found.seen)
            track_of(found, Watched(looked_at, found.seen[-1] + 1, (WIDTH, HEIGHT), ()))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    monkeypatch.setattr(smoothing, "BLOCK", 128)
    short, long = peak(400), peak(1000)
    assert (long - short) / 600 < 1300 / every + 200


def test_a_detector_must_give_one_kind_of_face():
    class Mixed(Points):
        def detect(self, frames, numbers=None):
            found = super().detect(frames, numbers)
            return [
                replace(face, keypoints=None) if n % 2 else face
                for n, face in zip(numbers, found, strict=True)
            ]

    with pytest.raises(FaceError, match="one kind"):
        track_faces(frames(4), Mixed([(160, 120, 60)] * 4))


def test_progress_counts_frames():
    done = []
    track_faces(frames(10), FixedBox([0, 0, 9, 9]), batch=4, progress=done.append)
    assert done == [4, 8, 10]


maybe_face = st.none() | st.tuples(st.floats(-100, 500), st.floats(-100, 400), st.floats(1, 600))


@settings(max_examples=60, deadline=None)
@given(
    faces=st.lists(maybe_face, min_size=1, max_size=40), every=st.integers(1, 7), as_released=st.booleans()
)
def test_any_detections_make_square_boxes_inside_the_frame(faces, every, as_released):
    shown = [faces[n] for n in {*range(0, len(faces), every), len(faces) - 1}]
    if all(face is None for face in shown):
        return
    track = track_faces(frames(len(faces)), Points(faces), every=every, as_released=as_released)
    assert track.boxes.shape == (len(faces), 4)
    assert np.isfinite(track.boxes).all()
    assert track.boxes.min() >= 0
    assert (track.boxes[:, 2:] <= (WIDTH, HEIGHT)).all()
    sides = track.boxes[:, 2:] - track.boxes[:, :2]
    assert (sides > 0).all()
    assert np.abs(sides[:, 0] - sides[:, 1]).max() <= (1 if as_released else 1e-9)
    assert (track.shot_numbers[track.present] >= 0).all()
