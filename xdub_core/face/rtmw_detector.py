"""The default detector: YOLOX-L finds people, RTMW-x finds 133 points on each, all in plain PyTorch.

The two files are the ones of X-Dub's own download. Every network pass holds `batch` frames, whatever the caller hands
in, and runs on the device and in the dtype of the networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from xdub_core.errors import SettingsError
from xdub_core.face.csp import fuse_batch_norms
from xdub_core.face.detector import FACE_POINTS, Detection, detection_from_keypoints, eight_bit
from xdub_core.face.detector_files import load_network
from xdub_core.face.overlap import distinct_faces
from xdub_core.face.pose import (
    RTMW_SCORE_SCALE,
    CropWindow,
    crop_window,
    decode_simcc,
    flip_test,
    openpose_order,
    pose_input,
    to_frame,
    warp_crop,
)
from xdub_core.face.rtmw import RTMW
from xdub_core.face.yolox import YOLOX, decode_people, detector_input, letterbox, suppress_overlaps


@dataclass(frozen=True)
class RTMWSettings:
    """How the detector runs.

    `batch`: frames (or people) in one network pass. `most_people`: of a crowd, how many are looked at where all faces
    are asked for. `person`: which one to dub where there are several: None for the
    most certain, as the release does, or the number from the left, 0 being the leftmost, those who turn away
    included. `face_threshold`: a face
    whose 68 points score less on average (0..1) is no face; 0 keeps everything, as the release does.
    """

    batch: int = 4
    person: int | None = None
    face_threshold: float = 0.2
    most_people: int = 8

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise SettingsError(f"the detector's batch is {self.batch}, but it must be at least 1")
        if self.most_people < 1:
            raise SettingsError(f"most_people is {self.most_people}, but it must be at least 1")
        if self.person is not None and self.person < 0:
            raise SettingsError(f"person is {self.person}, but people are counted from 0")
        if not 0 <= self.face_threshold <= 1:
            raise SettingsError(f"face_threshold is {self.face_threshold}, but it must be between 0 and 1")


class RTMWDetector:
    """A `PeopleDetector` made of the two networks; scores are RTMW's divided by 10."""

    def __init__(self, people: YOLOX, pose: RTMW, settings: RTMWSettings | None = None) -> None:
        self.people = people
        self.pose = pose
        self.settings = settings or RTMWSettings()

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002
    ) -> list[Detection | None]:
        """The face of the chosen person in every frame, None where it does not score enough.

        People are chosen before their faces are looked at: who turns away is still there, and nobody else takes the
        place. A frame without a person is searched as a whole, as the release does.
        """
        frames = [eight_bit(frame) for frame in frames]
        boxes = [
            self._chosen(found) for found in self._person_boxes(frames, self.settings.person is not None)
        ]
        return [faces[0] if faces else None for faces in self._faces(frames, boxes)]

    def detect_all(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002
    ) -> list[list[Detection]]:
        """The faces that score enough of the `most_people` surest people in every frame; see `PeopleDetector`."""
        frames = [eight_bit(frame) for frame in frames]
        boxes = [found[: self.settings.most_people] for found in self._person_boxes(frames, True)]
        return [distinct_faces(faces) for faces in self._faces(frames, boxes)]

    def _chosen(self, people: np.ndarray) -> np.ndarray:
        """The box [1, 4] of the person to dub among those of a frame, best first [n, 4]; [0, 4] for too few people."""
        person = self.settings.person
        if person is None:
            return people[:1]
        from_the_left = np.argsort(people[:, 0], kind="stable")
        return people[from_the_left[person : person + 1]]

    def _person_boxes(self, frames: list[np.ndarray], each_once: bool) -> list[np.ndarray]:
        """Person boxes [n, 4] of every frame, best first; the whole frame where nobody is found.

        Overlapping ones are only removed where people are counted, `each_once`.
        """
        boxes = []
        for start in range(0, len(frames), self.settings.batch):
            part = frames[start : start + self.settings.batch]
            boxed = [letterbox(frame) for frame in part]
            images = detector_input(np.stack([item.image for item in boxed]))
            with torch.inference_mode():
                levels = self.people(_like(images, self.people))
                found = decode_people(levels, [item.scale for item in boxed])
            for frame, people in zip(part, found, strict=True):
                height, width = frame.shape[:2]
                kept = suppress_overlaps(people).boxes if each_once else people.boxes
                boxes.append(kept if len(kept) else np.array([[0, 0, width, height]], np.float32))
        return boxes

    def _faces(self, frames: list[np.ndarray], boxes: list[np.ndarray]) -> list[list[Detection]]:
        """The faces of the people in `boxes` ([n, 4] a frame) that score enough, in their order."""
        people = [(index, crop_window(box)) for index, found in enumerate(boxes) for box in found]
        faces: list[list[Detection]] = [[] for _ in frames]
        for start in range(0, len(people), self.settings.batch):
            part = people[start : start + self.settings.batch]
            windows = [window for _, window in part]
            crops = np.stack([warp_crop(frames[index], window) for index, window in part])
            for (index, _), keypoints in zip(part, self.keypoints(crops, windows), strict=True):
                if (face := _face(keypoints, self.settings.face_threshold)) is not None:
                    faces[index].append(face)
        return faces

    def keypoints(self, crops: np.ndarray, windows: Sequence[CropWindow]) -> np.ndarray:
        """134 keypoints [B, 134, 3] in frame pixels (scores about 0..1) of person crops [B, 384, 288, 3]."""
        with torch.inference_mode():
            x_logits, y_logits = flip_test(self.pose, _like(pose_input(crops), self.pose))
            points, scores = decode_simcc(x_logits, y_logits)
        people = []
        for window, person_points, person_scores in zip(windows, points, scores, strict=True):
            ordered, raw = openpose_order(to_frame(person_points, window), person_scores)
            people.append(np.concatenate([ordered, raw[:, None] / RTMW_SCORE_SCALE], axis=1))
        return np.stack(people).astype(np.float64)


def load_rtmw_detector(
    people: Path | str,
    pose: Path | str,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    settings: RTMWSettings | None = None,
) -> RTMWDetector:
    """The detector from its two files (`.pth` as OpenMMLab publishes them, or `.safetensors` of the same names).

    Raises MissingModelError or CheckpointError. float32 is what the release runs; bfloat16 is several times faster
    on CPUs and GPUs that compute in it.
    """
    networks = load_network(YOLOX, people), load_network(RTMW, pose)
    for network in networks:
        fuse_batch_norms(network)
        network.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return RTMWDetector(*networks, settings)


def _like(images: Tensor, network: nn.Module) -> Tensor:
    parameter = next(network.parameters())
    return images.to(parameter.device).to(parameter.dtype, memory_format=torch.channels_last)


def _face(keypoints: np.ndarray, threshold: float) -> Detection | None:
    face = detection_from_keypoints(keypoints) if (keypoints[FACE_POINTS, 2] > 0).any() else None
    return face if face and face.score >= threshold else None
