"""The annotation of a drawn head: its landmarks, its face box, and where speech may change the picture."""

from __future__ import annotations

import cv2
import numpy as np

from xdub_core.heads import head_surface, mouth_paint
from xdub_core.heads.drawing import SUPERSAMPLING, Frame, View
from xdub_core.heads.head_surface import HeadShape
from xdub_core.heads.person import Person


def landmarks_and_face_box(
    person: Person, shape: HeadShape, frame: Frame, mouth: np.ndarray, jaw: float
) -> tuple[np.ndarray, np.ndarray]:
    """float32 [points, 2], named by `mini.labels.LANDMARK_NAMES`, and xyxy float32, in pixels of the picture."""
    lips = mouth_paint.mouth_shape(person, mouth).landmarks
    surface = _surface_points(shape, lips[:, 0], person.mouth_y + lips[:, 1], jaw)
    width, eye, brow = person.head_width, person.eye_y, person.eye_y - person.brow_height
    nose_y = eye + person.nose_length
    others = head_surface.point_on(shape, [-person.eye_x, person.eye_x, 0.0], [eye, eye, nose_y - 0.05])
    others[2, 2] += person.nose_height
    lower = head_surface.point_on(shape, [0.0, -0.8 * width, 0.8 * width], [0.985, 0.6, 0.6], jaw)
    brows = head_surface.point_on(shape, [-person.eye_x, person.eye_x], [brow, brow])
    points = np.concatenate((surface, others, lower, brows))
    chin = head_surface.point_on(shape, [0.0], [0.985])
    hull = np.concatenate((chin, [[-width, eye, 0.0], [width, eye, 0.0]], brows - (0, 0.12, 0)))
    hull = frame.project(hull) / SUPERSAMPLING
    box = np.concatenate((hull.min(axis=0), hull.max(axis=0)))
    return (frame.project(points) / SUPERSAMPLING).astype(np.float32), box.astype(np.float32)


def jaw_mask(person: Person, shape: HeadShape, frame: Frame, view: View) -> np.ndarray:
    """Where any jaw or mouth could change the picture: from the mouth patch's top down to the lowest chin."""
    lowest = head_surface.cast(shape, frame.turn, frame.sx, frame.sy, 1.0)
    top = person.mouth_y + mouth_paint.PATCH_BOX[1]
    depth = np.minimum(lowest.inside + 1.5 / view.scale, lowest.y - top)
    return cv2.resize(depth, (view.width, view.height), interpolation=cv2.INTER_LINEAR) > -2.5 / view.scale


def _surface_points(shape: HeadShape, arc: np.ndarray, y: np.ndarray, jaw: float) -> np.ndarray:
    """Object points of painter's coordinates whose y is already moved by the jaw."""
    rest = y - head_surface.jaw_shift(shape, arc, y, jaw)
    points = head_surface.point_on(shape, arc, rest)
    points[:, 1] = y
    return points
