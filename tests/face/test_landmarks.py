import json

import numpy as np
import pytest

from xdub_core.errors import FaceError
from xdub_core.face.detector import FACE_POINTS
from xdub_core.face.landmarks import (
    MEDIAPIPE_TO_68,
    boxes_from_bounding_boxes,
    faces_from_landmarks,
    keypoints_from_face68,
    landmarks_from_array,
    landmarks_from_mediapipe,
    landmarks_from_openpose,
    read_landmarks,
)

FRAME = np.zeros((60, 80, 3), np.uint8)
FACE = np.column_stack([np.linspace(20, 50, 68), np.linspace(10, 40, 68)])


def mesh_of(face: np.ndarray, points: int = 478) -> np.ndarray:
    """A mesh whose vertices are far away, except those that stand for the 68 points."""
    mesh = np.full((points, 2), 1e6)
    mesh[MEDIAPIPE_TO_68] = face
    return mesh


def mediapipe(*frames: list[np.ndarray]) -> dict:
    """FACE_LANDMARKS as ComfyUI core's node gives them."""
    return {
        "frames": [
            [{"landmarks_xy": mesh, "score": 0.8, "presence": 9.0} for mesh in meshes] for meshes in frames
        ],
        "image_size": (60, 80),
        "connection_sets": {},
    }


def openpose(people: list[np.ndarray], width: int = 80, height: int = 60, pupils: bool = True) -> dict:
    """One frame of POSE_KEYPOINT."""
    count = 70 if pupils else 68
    faces = [np.column_stack([np.resize(face, (count, 2)), np.full(count, 0.7)]) for face in people]
    people = [
        {"pose_keypoints_2d": [1.0, 2.0, 0.5] * 18, "face_keypoints_2d": f.ravel().tolist()} for f in faces
    ]
    return {"people": people, "canvas_width": width, "canvas_height": height}


def test_each_of_the_68_points_has_its_own_mesh_vertex() -> None:
    assert len(set(MEDIAPIPE_TO_68.tolist())) == 68
    assert set(MEDIAPIPE_TO_68.tolist()) <= set(range(468))


@pytest.mark.parametrize("columns", [2, 3])
def test_68_points_become_the_face_of_the_134(columns: int) -> None:
    face = np.column_stack([FACE, np.full(68, 0.4)])[:, :columns]
    found = landmarks_from_array(face[None]).detect([FRAME])[0]

    assert np.array_equal(found.keypoints[FACE_POINTS, :2], FACE)
    assert np.unique(found.keypoints[FACE_POINTS, 2]) == (0.4 if columns == 3 else 1.0)
    assert not found.keypoints[:24].any() and not found.keypoints[92:].any()
    assert found.box.tolist() == [20, 10, 50, 40]


@pytest.mark.parametrize("points", [468, 478])
@pytest.mark.parametrize("columns", [2, 3])
def test_a_mesh_becomes_the_face_of_the_134(points: int, columns: int) -> None:
    mesh = np.column_stack([mesh_of(FACE, points), np.zeros(points)])[:, :columns]
    found = landmarks_from_array(mesh[None]).detect([FRAME])[0]
    assert np.array_equal(found.keypoints[FACE_POINTS, :2], FACE)
    assert (found.keypoints[FACE_POINTS, 2] == 1).all()


def test_a_frame_of_nan_has_no_face() -> None:
    faces = np.stack([FACE, np.full_like(FACE, np.nan)])
    found = landmarks_from_array(faces).detect([FRAME, FRAME])
    assert found[0] is not None and found[1] is None


@pytest.mark.parametrize("shape", [(68, 2), (1, 67, 2), (1, 68, 4), (1, 70, 3)])
def test_other_shapes_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(FaceError, match="landmarks have shape"):
        landmarks_from_array(np.zeros(shape))


def test_core_mediapipe_landmarks() -> None:
    landmarks = mediapipe([mesh_of(FACE)], [], [mesh_of(FACE + 5), mesh_of(FACE + 9)])
    found = landmarks_from_mediapipe(landmarks).detect([FRAME] * 3)

    assert found[1] is None
    assert np.array_equal(found[2].keypoints[FACE_POINTS, :2], FACE + 5)
    assert found[0].score == pytest.approx(0.8)
    assert landmarks_from_mediapipe(landmarks, face=1).detect([FRAME], numbers=[2])[0].box[0] == 29


def test_landmarks_of_another_video_size_are_an_error() -> None:
    with pytest.raises(FaceError, match="80 x 60 pixels, but the video has 90 x 60"):
        landmarks_from_mediapipe(mediapipe([mesh_of(FACE)])).detect([np.zeros((60, 90, 3), np.uint8)])


@pytest.mark.parametrize("value", [{}, None, {"frames": []}, [1]])
def test_what_is_no_face_landmarks_is_an_error(value: object) -> None:
    with pytest.raises(FaceError, match="not FACE_LANDMARKS"):
        landmarks_from_mediapipe(value)


def test_a_mesh_of_another_size_names_its_frame() -> None:
    with pytest.raises(FaceError, match=r"frame 0 .*not 468 or 478"):
        landmarks_from_mediapipe(mediapipe([np.zeros((5, 2))])).detect([FRAME])


@pytest.mark.parametrize("pupils", [True, False])
def test_openpose_keypoints_keep_body_face_and_scores(pupils: bool) -> None:
    frame = json.loads(json.dumps(openpose([FACE], pupils=pupils)))
    found = landmarks_from_openpose([frame]).detect([FRAME])[0]

    assert np.array_equal(found.keypoints[FACE_POINTS, :2], FACE)
    assert np.array_equal(found.keypoints[:18], np.tile([1.0, 2.0, 0.5], (18, 1)))
    assert not found.keypoints[92:].any()
    assert found.score == pytest.approx(0.7)


def test_openpose_canvas_is_scaled_to_the_frame() -> None:
    found = landmarks_from_openpose([openpose([FACE * 2], 160, 120)]).detect([FRAME])[0]
    assert found.box == pytest.approx([20, 10, 50, 40])


def test_openpose_fractions_are_scaled_to_the_frame() -> None:
    frame = openpose([FACE / [80, 60]])
    frame["people"][0]["pose_keypoints_2d"] = []
    assert landmarks_from_openpose([frame]).detect([FRAME])[0].box == pytest.approx([20, 10, 50, 40])


def test_openpose_points_without_a_score_do_not_count() -> None:
    frame = openpose([FACE])
    frame["people"][0]["face_keypoints_2d"][:3] = [-1.0, -1.0, 0.9]
    frame["people"][0]["face_keypoints_2d"][3:6] = [999.0, 999.0, 0.0]
    found = landmarks_from_openpose([frame]).detect([FRAME])[0]
    assert found.box == pytest.approx([FACE[2, 0], FACE[2, 1], 50, 40])


def test_openpose_frames_and_people_without_a_face_are_none() -> None:
    no_face = openpose([FACE])
    no_face["people"][0]["face_keypoints_2d"] = None
    frames = [openpose([]), no_face, openpose([FACE, FACE + 5])]
    assert [d is None for d in landmarks_from_openpose(frames).detect([FRAME] * 3)] == [True, True, False]
    assert landmarks_from_openpose(frames, person=1).detect([FRAME], numbers=[2])[0].box[0] == 25


def test_what_is_no_pose_keypoint_names_its_frame() -> None:
    with pytest.raises(FaceError, match="frame 1 is no POSE_KEYPOINT"):
        landmarks_from_openpose([openpose([FACE]), {"people": []}])


def test_a_broken_openpose_list_is_an_error() -> None:
    frame = openpose([FACE])
    frame["people"][0]["face_keypoints_2d"] = [1.0, 2.0]
    with pytest.raises(FaceError, match="in threes"):
        landmarks_from_openpose([frame]).detect([FRAME])


def test_frames_beyond_the_landmarks_are_an_error() -> None:
    detector = landmarks_from_array(FACE[None])
    detector.detect([FRAME])
    with pytest.raises(FaceError, match="for 1 frames, but the video has a frame 1"):
        detector.detect([FRAME])


def test_no_landmarks_at_all_is_an_error() -> None:
    with pytest.raises(FaceError, match="empty"):
        landmarks_from_openpose([])


def test_bounding_boxes_become_square_crops_in_the_frame() -> None:
    found = boxes_from_bounding_boxes(
        [[{"x": 30, "y": 20, "width": 10, "height": 20, "label": "face", "score": 0.9}], []]
    ).detect([FRAME, FRAME])
    assert found[0].box == pytest.approx([35 - 14.5, 30 - 14.5, 35 + 14.5, 30 + 14.5])
    assert found[1] is None


def test_a_wrong_bounding_box_names_its_frame() -> None:
    good = {"x": 30, "y": 20, "width": 10, "height": 20}
    for wrong in ({"x": 1}, {**good, "width": 0}, {**good, "y": float("nan")}):
        with pytest.raises(FaceError, match="frame 1"):
            boxes_from_bounding_boxes([[good], [wrong]]).detect([FRAME, FRAME])


def test_every_source_is_told_by_what_it_is() -> None:
    box = {"x": 20, "y": 10, "width": 30, "height": 30}
    for value in (FACE[None], mediapipe([mesh_of(FACE)]), [openpose([FACE])], [[box]]):
        found = faces_from_landmarks(value).detect([FRAME])[0]
        assert (found.box[:2] + found.box[2:]) / 2 == pytest.approx([35, 25])
    second = [openpose([FACE, FACE + 5])], mediapipe([mesh_of(FACE), mesh_of(FACE + 5)])
    assert all(faces_from_landmarks(value, face=1).detect([FRAME])[0].box[0] == 25 for value in second)
    for nothing in ({}, [], [1, 2], "face", None):
        with pytest.raises(FaceError, match="neither FACE_LANDMARKS nor"):
            faces_from_landmarks(nothing)


def test_given_faces_follow_a_choice_of_frames() -> None:
    faces = landmarks_from_array(np.stack([FACE, FACE + 1, FACE + 2]))
    chosen = faces.on_frames([2, 0, 0]).detect([FRAME] * 3)
    assert [detection.box[0] for detection in chosen] == [22, 20, 20]
    with pytest.raises(FaceError, match="landmarks for 3 frames, but the video has a frame 3"):
        faces.on_frames([0, 3])


def test_landmarks_from_files(tmp_path) -> None:
    np.save(tmp_path / "points.npy", FACE[None])
    (tmp_path / "pose.json").write_text(json.dumps([openpose([FACE])]))
    for name in ("points.npy", "pose.json"):
        assert read_landmarks(tmp_path / name).detect([FRAME])[0].box.tolist() == [20, 10, 50, 40]
        with pytest.raises(FaceError, match=f"{name} for 1 frames"):
            read_landmarks(tmp_path / name).on_frames([0, 1])
    np.save(tmp_path / "wrong.npy", np.zeros((3, 5, 2)))
    (tmp_path / "wrong.json").write_text("{]")
    (tmp_path / "empty.npy").touch()
    for name in ("wrong.npy", "wrong.json", "empty.npy", "missing.npy"):
        with pytest.raises(FaceError, match=name):
            read_landmarks(tmp_path / name)


def test_unknown_points_have_no_score() -> None:
    face = FACE.copy()
    face[3, 1] = np.inf
    keypoints = keypoints_from_face68(face)
    assert not keypoints[27].any() and keypoints[28, 2] == 1
