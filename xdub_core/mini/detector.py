"""The face detector of rendered heads: the whole frame's one face, or every face that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from xdub_core.errors import SettingsError
from xdub_core.face.detector import Detection, detection_from_keypoints, eight_bit
from xdub_core.face.landmarks import keypoints_from_face68
from xdub_core.face.looks import Looks
from xdub_core.face.overlap import distinct_boxes, overlap
from xdub_core.face.smoothing import FACE_TO_BOX, FOREHEAD
from xdub_core.mini.face_landmarks import FACE_BOX, POINTS, LandmarkFinder
from xdub_core.mini.face_search import CloseUps, FaceSearch

CROP_FACTOR, CROP_DROP = 1.3, 0.05
"""The standard crop's side in face boxes (the larger side), and how far its middle lies below the box's."""
CHANGED = 12.0
"""Grey values by which a frame differs from the one before (shrunk, on average) where everybody is looked for anew."""
AGREE = 0.5
"""Overlap (intersection over union) from which on two boxes are of one face."""
CONFIRMED = 1.0
"""Logit from which on something is a face."""
DOUBTFUL = -4.0
"""Logit below which the only thing that looks like a face in a frame is none."""


class MiniDetector:
    """The `PeopleDetector` of rendered heads; it is not trained on real people.

    `search` finds every face; without it there is the one of the whole frame. `looks`: how people are recognised again.

    Its keypoints are those of `face_keypoints`: tracked and smoothed as RTMW's are, they give crops `crop_factor` times
    as large as the face box. They follow the head, as the mini's training crops do.
    """

    follow = True

    def __init__(
        self,
        finder: LandmarkFinder,
        threshold: float = 0.5,
        crop_factor: float = CROP_FACTOR,
        search: FaceSearch | None = None,
        looks: Looks | None = None,
    ) -> None:
        if finder.near.config.points != POINTS:
            raise SettingsError(f"a face detector needs {POINTS} points, not {finder.near.config.points}")
        self.finder = finder
        self.threshold = threshold
        self.crop_factor = crop_factor
        self.search = search
        self.looks = looks

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002 (the signature of a FaceDetector)
    ) -> list[Detection | None]:
        """The face of each frame, or None; see `FaceDetector`."""
        found = self.finder.find(frames)
        boxes = found.points[:, FACE_BOX].reshape(-1, 4)
        return [
            self._detection(box, score, openness) if score >= self.threshold else None
            for box, score, openness in zip(boxes, found.score, found.openness, strict=True)
        ]

    def openings(self, faces: np.ndarray) -> np.ndarray:
        """How far the mouths in close-ups of faces, uint8 [n, 96, 96, 3], are open [n]; see `report.lips`."""
        with torch.no_grad():
            pictures = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
            return self.finder.near(pictures).openness.numpy()

    def detect_all(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[list[Detection]]:
        """All faces of consecutive frames; see `PeopleDetector`.

        Frames are searched from scratch where they begin, where the picture changes, and where a face is lost; in
        between, faces are looked for where they just were.
        """
        alone = self.detect(frames, numbers)
        if self.search is None:
            return [[] if face is None else [face] for face in alone]
        found: list[list[Detection]] = []
        before, known = None, np.zeros((0, 4))
        for frame, one in zip(frames, alone, strict=True):
            frame = eight_bit(frame)
            small = cv2.resize(frame, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
            changed = before is None or float(np.abs(small - before).mean()) > CHANGED
            faces, known = self._faces(self.search, frame, one, known, changed)
            before = small
            found.append(faces)
        return found

    def _faces(
        self,
        search: FaceSearch,
        frame: np.ndarray,
        alone: Detection | None,
        known: np.ndarray,
        changed: bool,
    ) -> tuple[list[Detection], np.ndarray]:
        """All faces of a frame, and their boxes [n, 4]; `alone`: the whole frame's, `known`: those just before."""
        whole = np.zeros((0, 4)) if alone is None else self.face_box(alone)[None]
        if not changed and len(known) == len(whole) == 1 and overlap(whole[0], known)[0] > AGREE:
            assert alone is not None
            return [alone], whole
        places = np.concatenate([known, whole])
        close, kept = self._confirmed(search, frame, places[:0] if changed else places)
        if changed or len(kept) < len(known):
            close, kept = self._confirmed(search, frame, np.concatenate([places, search.candidates(frame)]))
        boxes, logits = close.boxes[kept], search.logits(close)
        if alone is not None and len(kept) <= 1:  # as `detect` has it: the one face, or what may be one
            agree = overlap(whole[0], boxes)[0] > AGREE if kept else logits[len(known)] > DOUBTFUL
            if agree:
                return [alone], whole
        scores = 1 / (1 + np.exp(-logits[kept].clip(-30, 30)))
        faces = zip(boxes, scores, close.openness[kept], strict=True)
        return [self._detection(*face) for face in faces], boxes

    @staticmethod
    def _confirmed(search: FaceSearch, frame: np.ndarray, places: np.ndarray) -> tuple[CloseUps, list[int]]:
        """Close-ups of places [n, 4], and which of them are faces, the surest first."""
        close = search.close_ups(frame, places)
        logits = search.logits(close)
        order = [int(index) for index in np.argsort(-logits, kind="stable") if logits[index] > CONFIRMED]
        return close, [order[index] for index in distinct_boxes(close.boxes[order])]

    def face_box(self, detection: Detection) -> np.ndarray:
        """A square [4] about the face box that one of these detections was made of."""
        x0, _, x1, bottom = detection.box
        side = (x1 - x0) * FACE_TO_BOX / self.crop_factor
        middle = np.array([(x0 + x1) / 2, bottom - (x1 - x0) / 2 - CROP_DROP * side])
        return np.concatenate([middle - side / 2, middle + side / 2])

    def _detection(self, box: np.ndarray, score: float, openness: float) -> Detection:
        keypoints = face_keypoints(box, self.crop_factor)
        return replace(detection_from_keypoints(keypoints, float(score)), openness=float(openness))


def face_keypoints(face_box: np.ndarray, crop_factor: float = CROP_FACTOR) -> np.ndarray:
    """134 keypoints whose 68 face points are a plain face stretched over a face box [4], xyxy in pixels.

    They do not move with the speech, so neither does the crop. `smooth_boxes` makes crops of them whose side is
    `crop_factor` times the box's larger one, as the standard crop lies: training data and detector cut alike.
    """
    low, high = face_box[:2].astype(np.float64), face_box[2:].astype(np.float64)
    side = (high - low).max()
    middle = (low + high) / 2 + np.array([0.0, CROP_DROP * side])
    return keypoints_from_face68(middle + side * crop_factor / FACE_TO_BOX * (_plain_face() - 0.5))


def _plain_face() -> np.ndarray:
    """68 points [68, 2] of a face that fills 0..1 from its forehead, as the smoothing reckons it, to its chin."""
    angle = np.linspace(np.pi, 0, 17)
    cheek = 0.6
    eye = FOREHEAD * cheek / (1 + FOREHEAD)  # puts the forehead at 0
    rise = (cheek - 1) / (np.sin(angle[3]) - 1)  # puts the cheeks, points 3 and 13, at their height
    jaw = np.stack([0.5 + 0.5 * np.cos(angle), 1 + rise * (np.sin(angle) - 1)], axis=1)
    turn = np.linspace(np.pi, -np.pi, 7)[:6]
    almond = np.stack([0.07 * np.cos(turn), -0.03 * np.sin(turn)], axis=1)
    mouth = np.array([0.5, 0.75])
    ring = np.linspace(np.pi, -np.pi, 13)[:12]
    lips = np.stack([0.15 * np.cos(ring), -0.05 * np.sin(ring)], axis=1)
    parts = [
        jaw,
        np.stack([np.linspace(0.18, 0.42, 5), np.full(5, 0.2)], axis=1),
        np.stack([np.linspace(0.58, 0.82, 5), np.full(5, 0.2)], axis=1),
        np.stack([np.full(4, 0.5), np.linspace(eye, 0.55, 4)], axis=1),
        np.stack([np.linspace(0.42, 0.58, 5), np.full(5, 0.58)], axis=1),
        almond + np.array([0.3, eye]),
        almond + np.array([0.7, eye]),
        lips + mouth,
        0.7 * lips[[0, 2, 3, 4, 6, 8, 9, 10]] + mouth,
    ]
    return np.concatenate(parts)
