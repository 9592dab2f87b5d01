"""The landmark finder: finds an unseen drawn face wherever it is in the frame, and says where there is none."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.face.detector import FACE_POINTS
from xdub_core.face.smoothing import smooth_boxes
from xdub_core.mini.detector import MiniDetector, face_keypoints
from xdub_core.mini.face_landmarks import (
    FACE_BOX,
    POINTS,
    LandmarkConfig,
    LandmarkFinder,
    LandmarkNet,
    centres_of_mass,
    close_ups,
    cut_square,
    whole_square,
)
from xdub_core.mini.labels import LANDMARK_NAMES, MOUTH_POINTS
from xdub_core.training.mini.landmark_training import (
    LandmarkExample,
    LandmarkTraining,
    landmark_error,
    train_landmarks,
)
from xdub_core.training.mini.small_network import NetworkSettings

sys.path.insert(0, str(Path(__file__).parent))
from talking_dots import draw, openness_track

TINY = LandmarkConfig(points=POINTS, fine=12, coarse=16)


def example(seed, frames=2, side=96):
    """A drawn head: points around its mouth, then on its rim, then the corners of its box."""
    rng = np.random.default_rng(seed)
    centre = tuple(0.5 + 0.1 * (2 * rng.random(2) - 1))
    openness = openness_track(frames, seed)
    pictures, _, _ = draw(openness, side=side, seed=seed, centre=centre)
    rim, lips = np.linspace(0, 2 * np.pi, FACE_BOX.start - 8), np.linspace(0, 2 * np.pi, 8)
    points = []
    for opening in openness.numpy():
        head = np.stack([0.38 * np.cos(rim), 0.38 * np.sin(rim)], 1)
        mouth = np.stack([0.14 * np.cos(lips), 0.15 + (0.02 + 0.1 * opening) * np.sin(lips)], 1)
        box = [[-0.38, -0.38], [0.38, 0.38]]
        points.append((np.concatenate([mouth, head, box]) + centre) * side)
    return LandmarkExample(pictures.numpy(), np.stack(points), openness.numpy())


@pytest.fixture(scope="module")
def trained():
    settings = NetworkSettings(steps=150, batch_size=12, learning_rate=8e-3, warmup=10)
    return train_landmarks([example(seed) for seed in range(40)], LandmarkTraining(TINY, settings, zoom=1.6))


def test_finds_unseen_faces(trained):
    torch.manual_seed(0)
    untrained = LandmarkFinder(LandmarkNet(TINY), LandmarkNet(TINY))
    unseen = [example(seed) for seed in range(100, 106)]
    assert landmark_error(trained, unseen) < 0.05 < 0.15 < landmark_error(untrained, unseen)


def test_finds_a_face_in_a_larger_frame(trained):
    small = example(200, frames=1)
    frame = np.full((150, 220, 3), 60, np.uint8)
    frame[30:126, 80:176] = small.frames[0]
    found = trained.find([frame])
    truth = small.points[0] + (80, 30)
    assert np.linalg.norm(found.points[0] - truth, axis=1).mean() < 8


def test_sees_how_far_the_mouth_is_open(trained):
    unseen = [example(seed, frames=6) for seed in range(300, 306)]
    seen = np.concatenate([trained.find(list(e.frames)).openness for e in unseen])
    true = np.concatenate([e.openness for e in unseen])
    assert np.corrcoef(seen, true)[0, 1] > 0.6


def test_is_a_face_detector(trained):
    face = example(400, frames=1)
    frames = [face.frames[0], np.full((96, 96, 3), 90, np.uint8)]
    there, not_there = trained.find(frames).score
    detection, nothing = MiniDetector(trained, threshold=(there + not_there) / 2).detect(frames)
    assert detection.keypoints.shape == (134, 3)
    assert detection.score == pytest.approx(there)
    assert nothing is None
    box = smooth_boxes(detection.keypoints[None, FACE_POINTS] / (96, 96, 1), (96, 96)).boxes[0]
    true_box = smooth_boxes(
        face_keypoints(face.points[0, FACE_BOX].ravel())[None, FACE_POINTS] / (96, 96, 1), (96, 96)
    ).boxes[0]
    assert np.abs(box - true_box).max() < 10


def test_crops_are_so_many_face_boxes_large_and_ignore_the_speech():
    """Through the very smoothing that a dub's track goes through."""
    keypoints = face_keypoints(np.array([200.0, 300.0, 300.0, 420.0]), crop_factor=1.5)[FACE_POINTS]
    boxes = smooth_boxes(np.stack([keypoints] * 5) / (1000, 1000, 1), (1000, 1000)).boxes
    np.testing.assert_allclose(boxes[2], [250 - 90, 366 - 90, 250 + 90, 366 + 90], atol=0.1)


def test_lips_are_the_first_points():
    assert {name.split()[-1] for name in LANDMARK_NAMES[MOUTH_POINTS]} <= {
        "left",
        "right",
        "top",
        "bottom",
        "inner",
    }
    assert not any("lip" in name or "mouth" in name for name in LANDMARK_NAMES[MOUTH_POINTS.stop :])


def test_no_frames_no_faces(trained):
    assert len(trained.find([]).points) == 0


def test_deep_colour_is_seen_alike(trained):
    frame = example(500, frames=1).frames[0]
    deep = frame.astype(np.uint16) * 257
    np.testing.assert_array_equal(trained.find([frame]).points, trained.find([deep]).points)


def test_centres_are_where_the_heat_is():
    maps = torch.full((1, 1, 24, 24), -50.0)
    maps[0, 0, 3, 18] = 50
    torch.testing.assert_close(centres_of_mass(maps)[0, 0], torch.tensor([18.5 / 24, 3.5 / 24]))


@pytest.mark.parametrize("scale", [1, 2, 0.5])
def test_squares_are_cut_where_they_lie(scale):
    """A bright spot at a known place comes out at that place of the cut."""
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[100:104, 60:64] = 255
    side = 96 / scale
    square = np.array([30.0, 70.0, 30 + side, 70 + side])
    weight = cut_square(frame, square).sum(2).astype(float)
    y, x = (np.indices(weight.shape) + 0.5) * weight / weight.sum()
    np.testing.assert_allclose([x.sum() / scale + 30, y.sum() / scale + 70], [62, 102], atol=0.3)


def test_close_ups_are_square_about_the_points():
    squares = close_ups(np.array([[[10.0, 20.0], [30.0, 60.0]]]), factor=1.5)
    np.testing.assert_allclose(squares, [[-10, 10, 50, 70]])
    np.testing.assert_allclose(whole_square(100, 60), [0, -20, 100, 80])


def test_refuses_another_number_of_landmarks():
    with pytest.raises(SettingsError, match="18 points"):
        train_landmarks([example(0)], LandmarkTraining(LandmarkConfig(points=5)))
    five = LandmarkNet(LandmarkConfig(points=5))
    with pytest.raises(SettingsError, match="18 points, not 5"):
        MiniDetector(LandmarkFinder(five, five))
