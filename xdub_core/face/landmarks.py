"""Landmarks that something else found, brought into the 134-point layout that tracking and smoothing use.

Three sources are understood, one entry per frame each:
- 68 face points (300-W order: dlib, face-alignment, COCO-WholeBody's face): an array [n, 68, 2 or 3];
- MediaPipe's face mesh, 468 or 478 points in pixels: an array [n, 468 or 478, 2 or 3], or FACE_LANDMARKS as ComfyUI
  core's nodes give it ({"frames": [[face, ...], ...], "image_size": (height, width)});
- OpenPose's POSE_KEYPOINT ({"people": [...], "canvas_width", "canvas_height"} per frame), as most pose nodes give it.
Core's BOUNDING_BOX lists ({"x", "y", "width", "height"}) become boxes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.boxes import check_box, square_box
from xdub_core.face.detector import (
    FACE_POINT_COUNT,
    FACE_POINTS,
    KEYPOINTS,
    Detection,
    detection_from_keypoints,
)
from xdub_core.face.given import GivenFaces
from xdub_core.face.smoothing import FACE_TO_BOX

_JAW = (162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389)
_BROWS = (71, 63, 105, 66, 107, 336, 296, 334, 293, 301)
_NOSE = (168, 197, 5, 4, 75, 97, 2, 326, 305)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87)
MEDIAPIPE_TO_68 = np.array([*_JAW, *_BROWS, *_NOSE, *_EYES, *_LIPS])
"""The mesh vertex nearest to each of the 68 points (the correspondence in common use)."""

POINTS_OF_MESHES = (468, 478)


def keypoints_from_face68(face: np.ndarray) -> np.ndarray:
    """134 keypoints [134, 3] from 68 face points [68, 2] or, with scores of about 0..1, [68, 3], in pixels.

    Points outside the face get score 0, and so do points that are not finite.
    """
    keypoints = np.zeros((KEYPOINTS, 3))
    points = keypoints[FACE_POINTS]
    points[:, :2] = face[:, :2]
    points[:, 2] = face[:, 2] if face.shape[1] == 3 else 1.0
    points[~np.isfinite(points).all(1)] = 0.0
    return keypoints


def keypoints_from_mesh(mesh: np.ndarray, score: float = 1.0) -> np.ndarray:
    """134 keypoints from MediaPipe's mesh [468 or 478, 2 or more] in pixels (depth is ignored)."""
    face = mesh[MEDIAPIPE_TO_68, :2]
    return keypoints_from_face68(np.column_stack([face, np.full(len(face), score)]))


def keypoints_from_openpose(
    person: Mapping[str, Any], canvas: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """134 keypoints of one of POSE_KEYPOINT's people, scaled from its canvas to a frame (both width, height).

    The face has 68 points or 70 (two pupils, which are left out). Coordinates are pixels of the canvas, or fractions
    of it where none exceeds 1, as some nodes write them. Scores are kept; a negative coordinate means unknown.
    """
    keypoints = np.zeros((KEYPOINTS, 3))
    parts = {
        "pose_keypoints_2d": slice(0, 18),
        "foot_keypoints_2d": slice(18, 24),
        "face_keypoints_2d": FACE_POINTS,
        "hand_right_keypoints_2d": slice(92, 113),
        "hand_left_keypoints_2d": slice(113, KEYPOINTS),
    }
    for name, place in parts.items():
        flat = np.asarray(person.get(name) or [], dtype=np.float64)
        if flat.ndim != 1 or len(flat) % 3:
            raise FaceError(
                f"{name} of a POSE_KEYPOINT must list x, y, score in threes, but has shape {flat.shape}"
            )
        count = min(len(flat) // 3, place.stop - place.start)
        keypoints[place.start : place.start + count] = flat.reshape(-1, 3)[:count]
    known = (keypoints[:, 2] > 0) & (keypoints[:, :2] >= 0).all(1) & np.isfinite(keypoints).all(1)
    keypoints[~known] = 0.0
    fractions = bool(known.any()) and keypoints[:, :2].max() <= 1.0
    keypoints[:, :2] *= np.array(size) / (1.0 if fractions else np.array(canvas))
    return keypoints


def faces_from_landmarks(value: Any, face: int = 0) -> GivenFaces:
    """Whatever of the sources named above `value` is; `face`: which of several faces of a frame, from 0.

    Raises FaceError where it is none of them.
    """
    if isinstance(value, np.ndarray):
        return landmarks_from_array(value)
    if isinstance(value, Mapping) and "frames" in value:
        return landmarks_from_mediapipe(value, face)
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        if all(isinstance(frame, Mapping) for frame in value):
            return landmarks_from_openpose(value, face)
        if all(isinstance(frame, Sequence) for frame in value):
            return boxes_from_bounding_boxes(value, face)
    raise FaceError(
        f"{value!r:.60} is neither FACE_LANDMARKS nor POSE_KEYPOINT nor BOUNDING_BOX, one entry for each frame"
    )


def read_landmarks(path: Path | str, face: int = 0) -> GivenFaces:
    """Landmarks from a file: an array as .npy, or POSE_KEYPOINT as JSON. Raises FaceError that names the file."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".npy":
            value = np.load(path, allow_pickle=False)
        else:
            value = json.loads(path.read_text(encoding="utf-8"))
        given = faces_from_landmarks(value, face)
        given.what = f"{given.what} in {path}"
        return given
    except (OSError, EOFError, ValueError) as error:  # JSON and text that cannot be decoded included
        raise FaceError(f"cannot read landmarks from {path}: {error}") from error
    except FaceError as error:
        raise FaceError(f"{path}: {error}") from None


def _given(count: int, keypoints_of: Callable[[int, tuple[int, int]], np.ndarray | None]) -> GivenFaces:
    """Faces of the 134 keypoints of each frame; no face where there are none, or none of a face."""

    def find(number: int, size: tuple[int, int]) -> Detection | None:
        keypoints = keypoints_of(number, size)
        if keypoints is None or not (keypoints[FACE_POINTS, 2] > 0).any():
            return None
        return detection_from_keypoints(keypoints)

    return GivenFaces(count, find, "landmarks")


def landmarks_from_array(points: np.ndarray) -> GivenFaces:
    """Landmarks [n, 68, 2 or 3] or MediaPipe meshes [n, 468 or 478, 2 or 3] in pixels of the frames.

    A frame of NaN has no face. Raises FaceError for other shapes.
    """
    points = np.asarray(points, dtype=np.float64)
    counts = (FACE_POINT_COUNT, *POINTS_OF_MESHES)
    if points.ndim != 3 or points.shape[1] not in counts or points.shape[2] not in (2, 3):
        raise FaceError(
            f"landmarks have shape {list(points.shape)}, but [frames, 68, 2 or 3] or MediaPipe's "
            "[frames, 468 or 478, 2 or 3] is needed"
        )
    convert = keypoints_from_face68 if points.shape[1] == FACE_POINT_COUNT else keypoints_from_mesh
    return _given(len(points), lambda number, _size: convert(points[number]))


def landmarks_from_mediapipe(landmarks: Mapping[str, Any], face: int = 0) -> GivenFaces:
    """Core's FACE_LANDMARKS. `face`: which of several faces of a frame, in the order that the node gives them.

    Raises FaceError where the value is no FACE_LANDMARKS; `detect` raises it for frames of another size.
    """
    try:
        frames, (height, width) = landmarks["frames"], landmarks["image_size"]
    except (KeyError, TypeError, ValueError):
        raise FaceError("these are not FACE_LANDMARKS: they need `frames` and `image_size`") from None

    def find(number: int, size: tuple[int, int]) -> np.ndarray | None:
        if size != (width, height):
            raise FaceError(
                f"the landmarks are for {width} x {height} pixels, but the video has {size[0]} x {size[1]}: "
                "find them on the same video"
            )
        if len(frames[number]) <= face:
            return None
        mesh = np.asarray(frames[number][face]["landmarks_xy"], dtype=np.float64)
        if mesh.ndim != 2 or mesh.shape[0] not in POINTS_OF_MESHES:
            raise FaceError(
                f"the face of frame {number} has landmarks of shape {list(mesh.shape)}, not 468 or 478 points"
            )
        return keypoints_from_mesh(mesh, float(frames[number][face].get("score", 1.0)))

    return _given(len(frames), find)


def landmarks_from_openpose(frames: Sequence[Mapping[str, Any]], person: int = 0) -> GivenFaces:
    """POSE_KEYPOINT, one dictionary a frame. `person`: which of several, in the order that they are listed.

    Canvases of another size than the video are scaled. Raises FaceError where a frame lacks its canvas or people.
    """
    for number, frame in enumerate(frames):
        if not isinstance(frame, Mapping) or not {"people", "canvas_width", "canvas_height"} <= frame.keys():
            raise FaceError(
                f"frame {number} is no POSE_KEYPOINT: it needs `people`, `canvas_width` and `canvas_height`"
            )

    def find(number: int, size: tuple[int, int]) -> np.ndarray | None:
        frame = frames[number]
        if len(frame["people"]) <= person:
            return None
        canvas = (frame["canvas_width"], frame["canvas_height"])
        return keypoints_from_openpose(frame["people"][person], canvas, size)

    return _given(len(frames), find)


def boxes_from_bounding_boxes(
    frames: Sequence[Sequence[Mapping[str, float]]], face: int = 0, margin: float = FACE_TO_BOX
) -> GivenFaces:
    """Core's BOUNDING_BOX lists (one list of {"x", "y", "width", "height"} a frame) as square crop boxes.

    Such boxes hug the face, so each becomes a square of `margin` times its longer side inside the frame. `detect`
    raises FaceError that names the frame of a box that cannot be one.
    """

    def find(number: int, size: tuple[int, int]) -> Detection | None:
        found = frames[number]
        if len(found) <= face:
            return None
        where = f"the bounding box of frame {number}"
        try:
            x, y, width, height = (float(found[face][name]) for name in ("x", "y", "width", "height"))
        except (KeyError, TypeError, ValueError):
            raise FaceError(
                f"{where} needs the numbers x, y, width and height, but is {found[face]!r:.60}"
            ) from None
        box = check_box([x, y, x + width, y + height], where=where)
        return Detection(square_box(box, margin, size), 1.0)

    return GivenFaces(len(frames), find, "bounding boxes")
