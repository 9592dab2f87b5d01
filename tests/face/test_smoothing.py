"""Keypoints to boxes: equal to the release, and sound for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from xdub_core.face.detector import FACE_POINTS
from xdub_core.face.smoothing import (
    BODY_EYES,
    FACE_INDEX,
    SmoothingCase,
    filter_keypoints,
    moving_mean,
    raw_boxes,
    settle,
    smooth_boxes,
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


@pytest.mark.goldens
def test_the_face_points_are_the_releases(motions):
    assert motions["index"].tolist() == list(FACE_INDEX)


@pytest.mark.goldens
def test_filtered_keypoints_equal_the_release_exactly(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        assert np.array_equal(
            filter_keypoints(motion["keypoints"][:, 0], BODY_EYES), motion["filtered"][:, 0]
        ), kind


@pytest.mark.goldens
def test_raw_boxes_equal_the_release(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        boxes = raw_boxes(motion["filtered"][:, 0, FACE_POINTS], tuple(motion["size"].tolist()))
        np.testing.assert_allclose(boxes, motion["raw_boxes"], rtol=0, atol=1e-9, err_msg=kind)


@pytest.mark.goldens
def test_cases_equal_the_release_and_so_do_fixed_boxes(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        boxes, case = smooth_boxes(
            motion["keypoints"][:, 0, FACE_POINTS], tuple(motion["size"].tolist()), reference=True
        )
        assert case == motion["case"][0], kind
        if case is SmoothingCase.STILL:
            assert np.array_equal(boxes, motion["boxes"]), kind


@pytest.mark.goldens
def test_moving_boxes_are_within_a_pixel_of_the_release(motions):
    for kind in motions.keys() - {"index"}:
        motion = motions[kind]
        boxes, _ = smooth_boxes(
            motion["keypoints"][:, 0, FACE_POINTS], tuple(motion["size"].tolist()), reference=True
        )
        off = np.abs(boxes - motion["boxes"])
        assert off.max() <= 1, kind
        assert (off > 0).mean() < 0.05, kind


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
    whole, _ = smooth_boxes(face(200, center, side), (640, 640), reference=True)
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
    reference=st.booleans(),
)
def test_boxes_are_finite_and_inside_the_frame(frames, width, height, seed, spread, shift, reference):
    keypoints = np.random.default_rng(seed).normal(0.5 + shift, spread, (frames, 68, 3))
    boxes, _ = smooth_boxes(keypoints, (width, height), reference)
    assert boxes.shape == (frames, 4)
    assert np.isfinite(boxes).all()
    assert boxes.min() >= 0
    assert (boxes[:, [0, 2]] <= width).all()
    assert (boxes[:, [1, 3]] <= height).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides > 0).all()
    assert np.abs(sides[:, 0] - sides[:, 1]).max() <= (1 if reference else 1e-9)


@pytest.mark.parametrize("frames", range(1, 35))
def test_clips_shorter_than_the_windows_are_smoothed_too(frames):
    filtered = filter_keypoints(face(frames, side=np.linspace(0.1, 0.3, frames)))
    boxes, _ = settle(raw_boxes(filtered, (320, 240)), (320, 240))
    assert boxes.shape == (frames, 4)
