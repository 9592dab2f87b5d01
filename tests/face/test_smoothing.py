"""Keypoints to boxes: equal to the release, and sound for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from tests.face.stated_boxes import stated_boxes, stated_integers
from xdub_core.face.detector import FACE_POINTS
from xdub_core.face.smoothing import (
    BEYOND,
    BLOCK,
    FACE_INDEX,
    REACH,
    Continued,
    SmoothingCase,
    boxes_by_case,
    filter_keypoints,
    integer_boxes,
    moving_mean,
    raw_boxes,
    smooth_boxes,
    squares_inside,
)


@pytest.fixture(scope="module")
def motions(goldens):
    """The goldens by kind of motion."""
    tensors = load_file(goldens / "face_boxes.safetensors")
    kinds = sorted({name.split(".")[0] for name in tensors if "." in name})
    return {
        kind: {name.split(".")[1]: value for name, value in tensors.items() if name.startswith(kind + ".")}
        for kind in kinds
    } | {"index": tensors["face_index"]}


def test_the_face_points_are_the_releases(motions):
    assert motions["index"].tolist() == [FACE_POINTS.start + point for point in FACE_INDEX]


def test_filtered_keypoints_equal_the_release_exactly(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        face, expected = (motion[name][:, 0, FACE_POINTS] for name in ("keypoints", "filtered"))
        assert np.array_equal(filter_keypoints(face), expected), kind


def test_raw_boxes_equal_the_release(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        boxes = raw_boxes(motion["filtered"][:, 0, FACE_POINTS], tuple(motion["size"].tolist()))
        np.testing.assert_allclose(boxes, motion["raw_boxes"], rtol=0, atol=1e-9, err_msg=kind)


def test_cases_and_boxes_equal_the_release_exactly(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        boxes, case = smooth_boxes(
            motion["keypoints"][:, 0, FACE_POINTS], tuple(motion["size"].tolist()), as_released=True
        )
        assert case == motion["case"][0], kind
        assert np.array_equal(boxes, motion["boxes"]), kind


def wandering_boxes(seed, size):
    """Square boxes of a face that wanders, and mostly grows and shrinks, now and then out of the frame."""
    random = np.random.default_rng(seed)
    frames = int(random.integers(1, 90))
    steps = random.normal(0, random.choice([0.2, 2, 12]), (frames, 2))
    centers = random.uniform(0.2, 0.8, 2) * size + np.cumsum(steps, axis=0)
    grows = random.choice([0, 0.05, 0.4]) * np.sin(
        np.arange(frames) / random.uniform(5, 30) + random.uniform(0, 6)
    )
    sides = (random.uniform(0.1, 0.9) * min(size) * np.exp(grows)).clip(16, min(size))[:, None]
    corners = (centers - sides / 2).clip(0, np.array(size) - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("size", [(640, 480), (360, 640)])
def test_each_case_is_what_the_facts_state(size):
    edges, off, cases = 0, 0, set()
    for seed in range(30):
        raw = wandering_boxes(seed, size)
        boxes, case = boxes_by_case(raw, size, as_released=True)
        stated_case, stated = stated_boxes(raw, size)
        assert case == stated_case, seed
        np.testing.assert_allclose(boxes, stated, rtol=0, atol=1e-3, err_msg=f"seed {seed}")
        whole = np.array([stated_integers(box, size) for box in stated])
        edges, off = edges + whole.size, off + np.count_nonzero(integer_boxes(boxes, size) != whole)
        cases.add(case)
    assert cases == set(SmoothingCase)
    assert off <= edges * 1e-3  # an edge within a rounding error of a whole pixel may fall to either side


def test_without_reference_boxes_grow_around_their_centre():
    sides = np.linspace(100, 200, 90)[:, None]
    raw = np.concatenate([320 - sides / 2, 320 + sides / 2], axis=1)[:, [0, 0, 1, 1]]
    centers = {
        as_released: boxes_by_case(raw, (640, 640), as_released).boxes.reshape(-1, 2, 2).mean(axis=1)
        for as_released in (False, True)
    }
    assert np.abs(centers[False] - 320).max() < 1e-3
    assert boxes_by_case(raw, (640, 640)).case is SmoothingCase.MOVING


def test_integer_boxes_hold_the_box_and_are_a_pixel_large_at_least():
    boxes = np.array([[1.2, 2.0, 3.0, 3.9], [-4, -4, -1, -1], [9.5, 9.5, 9.5, 9.5], [12, 3, 15, 4]])
    expected = [[1, 2, 3, 4], [0, 0, 1, 1], [9, 9, 10, 10], [9, 3, 10, 4]]
    assert integer_boxes(boxes, (10, 10)).tolist() == expected


def face(frames, center=(0.5, 0.5), side=0.2, seed=0):
    """The 68 points of a face that lie in a square of `side` around `center`, fractions of the frame."""
    pattern = np.random.default_rng(seed).uniform(-0.5, 0.5, (134, 2))
    center, side = np.broadcast_to(center, (frames, 2)), np.broadcast_to(side, frames)
    keypoints = np.ones((frames, 134, 3))
    keypoints[..., :2] = center[:, None] + pattern * side[:, None, None]
    return keypoints[:, FACE_POINTS]


def test_a_still_face_keeps_one_box():
    jitter = np.random.default_rng(1).normal(0, 1e-3, (50, 68, 3)) * (1, 1, 0)
    boxes, case = smooth_boxes(face(50) + jitter, (640, 640))
    assert case is SmoothingCase.STILL
    assert len(np.unique(boxes, axis=0)) == 1


def test_boxes_that_are_to_follow_are_not_fixed():
    center = 0.5 + 0.01 * np.sin(np.arange(100) / 10)[:, None] * (1, 0)
    fixed, case = smooth_boxes(face(100, center), (640, 640))
    assert case is SmoothingCase.STILL and np.ptp(fixed, axis=0).max() == 0
    following, case = smooth_boxes(face(100, center), (640, 640), follow=True)
    assert case is SmoothingCase.MOVING
    assert np.ptp(following[:, 0]) > 5


def test_a_walking_face_keeps_its_size():
    center = np.stack([np.linspace(0.2, 0.8, 80), np.full(80, 0.5)], 1)
    boxes, case = smooth_boxes(face(80, center), (640, 640))
    assert case is SmoothingCase.STEADY_SIZE
    assert np.ptp(boxes[:, 2] - boxes[:, 0]) < 1e-9
    assert np.all(np.diff(boxes[:, 0]) > -1e-9)


def test_a_face_that_comes_closer_gets_larger_boxes():
    boxes, case = smooth_boxes(face(80, side=np.linspace(0.1, 0.4, 80)), (640, 640))
    assert case is SmoothingCase.MOVING
    assert np.all(np.diff(boxes[:, 2] - boxes[:, 0]) >= 0)


def test_sub_pixel_boxes_move_by_less_than_a_pixel_where_integer_boxes_jump():
    center = np.stack([np.linspace(0.3, 0.4, 200), np.full(200, 0.5)], 1)
    side = 0.1
    smooth, _ = smooth_boxes(face(200, center, side), (640, 640))
    whole, _ = smooth_boxes(face(200, center, side), (640, 640), as_released=True)
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.5
    assert np.abs(np.diff(whole, axis=0)).max() >= 1


def test_the_moving_mean_takes_what_there_is_at_the_ends():
    np.testing.assert_allclose(moving_mean(np.arange(5.0), 3), [0.5, 1, 2, 3, 3.5])
    assert moving_mean(np.array([3.0, 9.0]), 7).tolist() == [3, 9]


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 40),
    width=st.integers(16, 3000),
    height=st.integers(16, 3000),
    seed=st.integers(0, 2**16),
    spread=st.floats(0, 3),
    shift=st.floats(-3, 3),
    as_released=st.booleans(),
)
def test_boxes_are_finite_and_inside_the_frame(frames, width, height, seed, spread, shift, as_released):
    keypoints = np.random.default_rng(seed).normal(0.5 + shift, spread, (frames, 68, 3))
    boxes, _ = smooth_boxes(keypoints, (width, height), as_released)
    assert boxes.shape == (frames, 4)
    assert np.isfinite(boxes).all()
    assert boxes.min() >= 0
    assert (boxes[:, [0, 2]] <= width).all()
    assert (boxes[:, [1, 3]] <= height).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides > 0).all()
    assert np.abs(sides[:, 0] - sides[:, 1]).max() <= (1 if as_released else 1e-9)


@pytest.mark.parametrize("frames", range(1, 35))
def test_clips_shorter_than_the_windows_are_smoothed_too(frames):
    filtered = filter_keypoints(face(frames, side=np.linspace(0.1, 0.3, frames)))
    boxes, _ = boxes_by_case(raw_boxes(filtered, (320, 240)), (320, 240))
    assert boxes.shape == (frames, 4)


class Sliced:
    """Points that are given in slices, whose lengths are noted."""

    def __init__(self, points):
        self.points, self.lengths = points, []

    def __len__(self):
        return len(self.points)

    def __getitem__(self, frames):
        self.lengths.append(len(self.points[frames]))
        return self.points[frames]


@pytest.mark.parametrize("frames", [BLOCK, BLOCK + 1, BLOCK + REACH, 2 * BLOCK + 2 * REACH + 1])
def test_long_videos_are_smoothed_in_blocks_to_the_last_bit_as_a_whole(frames):
    points = Sliced(face(frames, np.random.default_rng(3).normal(0.5, 0.01, (frames, 2))))
    size = (640, 360)
    for as_released in (True, False):
        boxes, case = smooth_boxes(points, size, as_released)
        whole, same_case = boxes_by_case(raw_boxes(filter_keypoints(points.points), size), size, as_released)
        assert case == same_case
        expected = integer_boxes(whole, size) if as_released else squares_inside(whole, size)
        np.testing.assert_array_equal(boxes, expected)
    assert max(points.lengths) <= BLOCK + REACH


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize(("frames", "step"), [(10, 7), (25, 6), (60, 4)])
def test_boxes_stay_with_a_face_that_walks_into_and_out_of_a_shot(frames, step, follow):
    x = (320 + step * (np.arange(frames) - frames / 2)) / 640
    walking = face(frames, np.stack([x, np.full(frames, 0.5)], axis=1))
    boxes, _ = smooth_boxes(Continued(walking, (BEYOND, BEYOND)), (640, 640), follow=follow)
    off = boxes[:, [0, 2]].mean(axis=1) - 640 * x
    side = boxes[0, 2] - boxes[0, 0]
    assert len(boxes) == frames
    assert np.ptp(off) < 0.01 * side
    alone, _ = smooth_boxes(walking, (640, 640), follow=follow)
    assert np.ptp(alone[:, [0, 2]].mean(axis=1) - 640 * x) > 0.1 * side


def test_points_beyond_a_shot_go_on_as_they_went_and_keep_their_scores():
    points = face(4, np.stack([0.4 + 0.01 * np.arange(4), np.full(4, 0.5)], axis=1))
    points[:, :, 2] = np.arange(4)[:, None]
    continued = Continued(points, (2, 7))
    whole = continued[:]
    assert len(continued) == len(whole) == 13
    assert np.array_equal(whole[2:6], points)
    np.testing.assert_allclose(np.diff(whole[:, :, 0], axis=0), 0.01, atol=1e-9)
    assert whole[:, 0, 2].tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]
    for part in (slice(0, 1), slice(1, 3), slice(5, 9), slice(12, 40)):
        assert np.array_equal(continued[part], whole[part])


def test_one_frame_alone_goes_on_standing():
    boxes, case = smooth_boxes(Continued(face(1), (BEYOND, BEYOND)), (640, 640))
    assert case is SmoothingCase.STILL and len(boxes) == 1
    np.testing.assert_allclose(boxes[0], smooth_boxes(face(1), (640, 640)).boxes[0], atol=0.01)
