"""The renderer: what moves what, and what must not."""

# ruff: noqa: RUF001 (phonetic letters look like others)
from dataclasses import replace

import numpy as np
import pytest

from xdub_core.errors import SettingsError
from xdub_core.heads.motion import MotionSettings, pose_at
from xdub_core.heads.performance import (
    CropCamera,
    Performance,
    SceneCamera,
    make_performance,
    render,
    true_dub,
)
from xdub_core.heads.person import make_person
from xdub_core.heads.scenery import OCCLUDERS, Occluder
from xdub_core.heads.visemes import PhonemeInterval, mouth_track
from xdub_core.mini.labels import LANDMARK_NAMES

STILL = MotionSettings(yaw=0, pitch=0, roll=0, shift=0)


def saying(ipa: str, frames: int = 10) -> np.ndarray:
    return mouth_track([PhonemeInterval(-1.0, frames, ipa)], frames)


def point(rendering, name: str) -> np.ndarray:
    return rendering.landmarks[0, LANDMARK_NAMES.index(name)]


def test_the_same_seed_gives_the_same_pixels():
    first, second = (render(make_performance(make_person(3), saying("a"), 3), 0, 3) for _ in range(2))
    np.testing.assert_array_equal(first.frames, second.frames)


def test_a_span_is_the_same_as_cut_from_the_whole():
    performance = make_performance(make_person(4), saying("e"), 4, hard=1.0)
    np.testing.assert_array_equal(render(performance, 0, 6).frames[4:], render(performance, 4, 6).frames)


@pytest.mark.parametrize("seed", range(12))
def test_another_speech_changes_nothing_outside_the_jaw_mask(seed):
    """The true dub, for all styles, poses, lights and occluders."""
    performance = make_performance(make_person(seed), saying("ɪ"), seed, hard=1.0 if seed % 2 else 0.0)
    dub = true_dub(performance, (PhonemeInterval(-1.0, 2.0, "ɑ"),))
    for camera in (CropCamera(96), SceneCamera(240, 180)):
        source, dubbed = render(performance, 2, 4, camera), render(dub, 2, 4, camera)
        changed = (source.frames != dubbed.frames).any(axis=-1)
        assert changed.any()
        assert not (changed & ~source.jaw_masks).any()
        np.testing.assert_array_equal(source.jaw_masks, dubbed.jaw_masks)
        np.testing.assert_array_equal(source.occluder_masks, dubbed.occluder_masks)
        np.testing.assert_array_equal(source.face_boxes, dubbed.face_boxes)


def test_the_jaw_mask_covers_the_lower_face_and_not_the_eyes():
    rendering = render(make_performance(make_person(5), saying("ɑ"), 5, hard=0), 0, 1)
    mask = rendering.jaw_masks[0]
    assert 0.15 < mask.mean() < 0.45
    for name in ("mouth left", "mouth right", "lower lip bottom", "chin"):
        x, y = point(rendering, name).astype(int)
        assert mask[min(y, 95), x], name
    for name in ("left eye", "right eye", "brow left"):
        x, y = point(rendering, name).astype(int)
        assert not mask[y, x], name


def test_the_mouth_is_large_enough_to_read():
    widths, openings = [], []
    for seed in range(8):
        rendering = render(make_performance(make_person(seed), saying("ɑ"), seed, hard=0), 0, 1)
        widths.append(np.linalg.norm(point(rendering, "mouth right") - point(rendering, "mouth left")))
        openings.append(
            np.linalg.norm(point(rendering, "lower lip inner") - point(rendering, "upper lip inner"))
        )
    assert np.mean(widths) >= 26 and min(widths) >= 22
    assert np.mean(openings) >= 11


def still(mouth: np.ndarray, **changes) -> Performance:
    return replace(Performance(make_person(2), mouth, motion=STILL), **changes)


def test_an_open_jaw_lowers_the_chin_and_leaves_the_upper_lip():
    closed, wide = (render(still(saying(ipa)), 0, 1) for ipa in ("", "ɑ"))
    assert point(wide, "chin")[1] > point(closed, "chin")[1] + 5
    assert abs(point(wide, "nose")[1] - point(closed, "nose")[1]) < 1e-4
    assert point(wide, "lower lip inner")[1] > point(closed, "lower lip inner")[1] + 6


def test_rounded_lips_are_narrow_and_spread_lips_wide():
    def width(ipa):
        rendering = render(still(saying(ipa)), 0, 1)
        return point(rendering, "mouth right")[0] - point(rendering, "mouth left")[0]

    assert width("u") < 0.8 * width("") < width("i")


def test_an_open_mouth_is_dark_inside_where_the_landmarks_say():
    rendering = render(still(saying("o")), 0, 1)
    x, y = (point(rendering, "upper lip inner") + point(rendering, "lower lip inner")) / 2
    inside = rendering.frames[0, int(y), int(x)].astype(int).sum()
    forehead = rendering.frames[0, int(point(rendering, "left eye")[1]) + 8, 48].astype(int).sum()
    assert inside < 0.6 * forehead


def test_a_turned_head_moves_the_nose_more_than_the_jaw():
    front = render(still(saying("")), 0, 1)
    turned = Performance(make_person(2), saying(""), motion=replace(STILL, yaw=30.0), seed=3)
    yaw = pose_at(3, 0.0, turned.motion).yaw
    side = render(turned, 0, 1)
    nose = point(side, "nose")[0] - point(front, "nose")[0]
    jaw = point(side, "jaw left")[0] - point(front, "jaw left")[0]
    assert abs(yaw) > 0.05 and np.sign(nose) == np.sign(yaw)
    assert abs(nose) > abs(jaw)


@pytest.mark.parametrize("kind", OCCLUDERS[1:])
def test_occluders_are_where_their_mask_says(kind):
    bare = still(saying("a", 60))
    hidden = replace(bare, occluder=Occluder(kind, 5))
    clean, covered = (render(p, 0, 60) for p in (bare, hidden))
    changed = (clean.frames != covered.frames).any(axis=-1)
    assert covered.occluder_masks.any() and not clean.occluder_masks.any()
    assert not (changed & ~covered.occluder_masks).any()
    passes = covered.occluder_masks[:, 55:75, 38:58].any(axis=(1, 2))
    assert passes.any(), "it passes before the mouth"


def test_scene_and_crop_show_the_same_face():
    performance = make_performance(make_person(7), saying("a"), 7, hard=0)
    scene = render(performance, 0, 1, SceneCamera(320, 240))
    crop = render(performance, 0, 1)
    box = scene.crop_boxes[0]
    moved = (scene.landmarks[0] - box[:2]) / (box[2] - box[0]) * 96
    np.testing.assert_allclose(moved, crop.landmarks[0], atol=0.05)
    np.testing.assert_allclose(crop.crop_boxes[0], (0, 0, 96, 96), atol=1e-3)
    left, top, right, bottom = scene.face_boxes[0]
    assert (box[:2] < (left + 1, top + 1)).all() and (box[2:] > (right - 1, bottom - 1)).all()


def test_people_look_different():
    faces = [render(still(saying(""), person=make_person(seed)), 0, 1).frames[0] for seed in range(10)]
    for index, face in enumerate(faces):
        for other in faces[:index]:
            assert np.abs(face.astype(int) - other.astype(int)).mean() > 6


def test_moving_light_changes_the_face():
    lit = render(still(saying("", 50), moving_light=True, light=3), 0, 50)
    constant = render(still(saying("", 50), light=3), 0, 50)
    patch = (slice(None), slice(10, 25), slice(40, 56))
    assert (
        lit.frames[patch].mean(axis=(1, 2, 3)).std() > 4 * constant.frames[patch].mean(axis=(1, 2, 3)).std()
    )


def test_no_frames_is_an_error():
    with pytest.raises(SettingsError, match="there are none"):
        render(still(saying("")), 3, 3)


def test_too_wide_a_scene_is_an_error():
    with pytest.raises(SettingsError, match="larger"):
        render(still(saying("")), 0, 1, SceneCamera(480, 360, head=0.1))
