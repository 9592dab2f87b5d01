"""Landmarks that something else found, brought into the 134-point layout that tracking and smoothing use.

Three sources are understood, one entry per frame each:
- 68 face points (300-W order: dlib, face-alignment, COCO-WholeBody's face): an array [n, 68, 2 or 3];
- MediaPipe's face mesh, 468 or 478 points in pixels: an array [n, 468 or 478, 2 or 3], or FACE_LANDMARKS as ComfyUI
  core's nodes give it ({"frames": [[face, ...], ...], "image_size": (height, width)});
- OpenPose's POSE_KEYPOINT ({"people": [...], "canvas_width", "canvas_height"} per frame), as most pose nodes give it.
Core's BOUNDING_BOX lists ({"x", "y", "width", "height"}) become boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xdub_core.errors import FaceError
from xdub_core.face.boxes import FrameBoxes, check_box, square_box
from xdub_core.face.detector import FACE_POINTS, KEYPOINTS, Detection, detection_from_keypoints

FACE_MARGIN = 1.45
"""The crop's side over the face's, as the release takes it (X-DUB facts §6)."""

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
        "hand_left_keypoints_2d": slice(113, 134),
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


class GivenLandmarks:
    """A `FaceDetector` that answers with landmarks found elsewhere, frame by frame.

    Frames are counted as they come unless `numbers` say which they are.
    """

    def __init__(self, count: int, find: Callable[[int, tuple[int, int]], np.ndarray | None]) -> None:
        """`find(number, (width, height))` gives a frame's 134 keypoints or None; `count` frames are known."""
        if count < 1:
            raise FaceError("the landmarks are empty: give them for each frame")
        self.count = count
        self._find = find
        self._next = 0

    def detect(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[Detection | None]:
        """The given faces. Raises FaceError for a frame beyond the landmarks, or of another size than theirs."""
        if numbers is None:
            numbers = range(self._next, self._next + len(frames))
            self._next += len(frames)
        return [self._detection(frame, number) for frame, number in zip(frames, numbers, strict=True)]

    def _detection(self, frame: np.ndarray, number: int) -> Detection | None:
        if not 0 <= number < self.count:
            raise FaceError(
                f"there are landmarks for {self.count} frames, but the video has a frame {number}"
            )
        keypoints = self._find(number, (frame.shape[1], frame.shape[0]))
        if keypoints is None or not (keypoints[FACE_POINTS, 2] > 0).any():
            return None
        return detection_from_keypoints(keypoints)


def landmarks_from_array(points: np.ndarray) -> GivenLandmarks:
    """Landmarks [n, 68, 2 or 3] or MediaPipe meshes [n, 468 or 478, 2 or 3] in pixels of the frames.

    A frame of NaN has no face. Raises FaceError for other shapes.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 3 or points.shape[1] not in (68, *POINTS_OF_MESHES) or points.shape[2] not in (2, 3):
        raise FaceError(
            f"landmarks have shape {list(points.shape)}, but [frames, 68, 2 or 3] or MediaPipe's "
            "[frames, 468 or 478, 2 or 3] is needed"
        )
    convert = keypoints_from_face68 if points.shape[1] == 68 else keypoints_from_mesh
    return GivenLandmarks(len(points), lambda number, _size: convert(points[number]))


def landmarks_from_mediapipe(landmarks: Mapping[str, Any], face: int = 0) -> GivenLandmarks:
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

    return GivenLandmarks(len(frames), find)


def landmarks_from_openpose(frames: Sequence[Mapping[str, Any]], person: int = 0) -> GivenLandmarks:
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

    return GivenLandmarks(len(frames), find)


def boxes_from_bounding_boxes(
    frames: Sequence[Sequence[Mapping[str, float]]],
    size: tuple[int, int],
    face: int = 0,
    margin: float = FACE_MARGIN,
) -> FrameBoxes:
    """Core's BOUNDING_BOX lists (one list of {"x", "y", "width", "height"} a frame) as square crop boxes.

    Such boxes hug the face, so each becomes a square of `margin` times its longer side inside the frame of `size`
    (width, height). Raises FaceError that names the frame of a box that cannot be one.
    """

    def crop(number: int, found: Sequence[Mapping[str, float]]) -> np.ndarray | None:
        if len(found) <= face:
            return None
        where = f"the bounding box of frame {number}"
        try:
            x, y, width, height = (float(found[face][name]) for name in ("x", "y", "width", "height"))
        except (KeyError, TypeError, ValueError):
            raise FaceError(
                f"{where} needs the numbers x, y, width and height, but is {found[face]!r:.60}"
            ) from None
        return square_box(check_box([x, y, x + width, y + height], where=where), margin, size)

    return FrameBoxes([crop(number, found) for number, found in enumerate(frames)])
