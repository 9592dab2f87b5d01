"""Boxes of one face found twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xdub_core.face.detector import Detection


def shared_area(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much of the smaller of two a box [4] shares with each of others [n, 4]: [n], 0..1."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    areas = np.minimum((box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(1))
    return np.asarray(sides.clip(min=0).prod(1) / np.maximum(areas, 1e-9))


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] with others [n, 4]: [n], 0..1."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = sides.clip(min=0).prod(1)
    areas = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1)
    return np.asarray(common / np.maximum(areas - common, 1e-9))


def distinct_boxes(boxes: np.ndarray, overlapping: float = 0.5, most: int | None = None) -> list[int]:
    """Indices of boxes [n, 4], best first, that share no more than `overlapping` with a better one; `most` of them."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if len(kept) == most:
            break
        if not (shared_area(box, boxes[kept]) > overlapping).any():
            kept.append(index)
    return kept


def distinct_faces(faces: Sequence[Detection]) -> list[Detection]:
    """The faces of a frame without those that were found twice: of two that mostly overlap, the surer one."""
    order = sorted(range(len(faces)), key=lambda index: -faces[index].score)
    kept = distinct_boxes(np.array([faces[index].box for index in order]).reshape(-1, 4))
    return [faces[index] for index in sorted(order[number] for number in kept)]
