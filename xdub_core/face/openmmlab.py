"""OpenMMLab's own code (mmdet, mmpose) as a detector, where it is installed: the reference to compare with.

mmcv has to be compiled on most machines (`make openmmlab` does it), so nothing needs this backend: the default one
loads the same two files and gives the same points. Weights are read by this package's own reader, never by OpenMMLab's
unrestricted pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xdub_core.errors import MissingModelError
from xdub_core.face.detector import FACE_POINTS, Detection, detection_from_keypoints, eight_bit
from xdub_core.face.detector_files import used_names
from xdub_core.face.overlap import distinct_faces
from xdub_core.face.pose import RTMW_SCORE_SCALE, openpose_order
from xdub_core.face.rtmw_detector import RTMWSettings
from xdub_core.face.yolox import PERSON, PERSON_THRESHOLD
from xdub_core.weights.strict import load_strictly
from xdub_core.weights.tensor_file import open_tensors

PACKAGES = ("mmengine", "mmcv", "mmdet", "mmpose")
PERSON_CONFIG = "yolox/yolox_l_8xb8-300e_coco.py"
POSE_CONFIG = "wholebody_2d_keypoint/rtmpose/cocktail14/rtmw-x_8xb320-270e_cocktail14-384x288.py"


def require_openmmlab() -> None:
    """Raise MissingModelError that says what to install, unless all of OpenMMLab's packages can be imported."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if absent:
        raise MissingModelError(
            f"the openmmlab face detector needs {', '.join(absent)}: run `make openmmlab` and use its environment, "
            "or use the rtmw detector, which gives the same points and needs no extra package"
        )


class OpenMMLabDetector:
    """A `PeopleDetector` that runs mmdet's YOLOX-L and mmpose's RTMW-x; scores are RTMW's divided by 10.

    Of `settings` it follows the face threshold; it takes the most certain person and one frame at a time.
    """

    def __init__(
        self, people: Path | str, pose: Path | str, device: str = "cpu", settings: RTMWSettings | None = None
    ) -> None:
        """Load both networks. Raises MissingModelError (package or file) or CheckpointError."""
        require_openmmlab()
        from mmdet.apis import init_detector
        from mmpose.apis import init_model
        from mmpose.utils import adapt_mmdet_pipeline

        self.settings = settings or RTMWSettings()
        self._people = init_detector(_config("mmdet", PERSON_CONFIG), None, palette="coco", device=device)
        self._people.cfg = adapt_mmdet_pipeline(self._people.cfg)
        self._pose = init_model(_config("mmpose", POSE_CONFIG), None, device=device)
        for network, path in ((self._people, people), (self._pose, pose)):
            file = open_tensors(path)
            what = f"the {type(network).__name__} that is needed"
            load_strictly(network, file, used_names(file), what=what, dtype=torch.float32, device=device)

    def detect(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002
    ) -> list[Detection | None]:
        """The most certain person's face in every frame; None where no face scores enough."""
        return [faces[0] if faces else None for faces in self._detect(frames, most=1)]

    def detect_all(
        self,
        frames: Sequence[np.ndarray],
        numbers: Sequence[int] | None = None,  # noqa: ARG002
    ) -> list[list[Detection]]:
        """The faces that score enough of the `most_people` surest people in every frame; see `PeopleDetector`."""
        return [distinct_faces(faces) for faces in self._detect(frames, self.settings.most_people)]

    def _detect(self, frames: Sequence[np.ndarray], most: int) -> Iterator[list[Detection]]:
        from mmdet.apis import inference_detector
        from mmpose.apis import inference_topdown

        for frame in frames:
            bgr = np.ascontiguousarray(eight_bit(frame)[..., ::-1])
            with torch.inference_mode():
                boxes = likely_people(inference_detector(self._people, bgr).pred_instances)
                found = inference_topdown(self._pose, bgr, boxes[:most] if len(boxes) else None)
            faces = (detection_from_instances(person.pred_instances) for person in found)
            yield [face for face in faces if face and face.score >= self.settings.face_threshold]


def _config(package: str, name: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None  # require_openmmlab came first
    path = Path(spec.origin).parent / ".mim" / "configs" / name
    if not path.is_file():
        raise MissingModelError(
            f"{package} is installed without its config {name}: install it as a wheel from PyPI"
        )
    return path


def likely_people(instances: Any) -> np.ndarray:
    """The boxes [n, 4] of people among mmdet's instances, the likeliest first."""
    labels, scores = instances.labels.cpu().numpy(), instances.scores.cpu().numpy()
    people = np.flatnonzero((labels == PERSON) & (scores > PERSON_THRESHOLD))
    people = people[np.argsort(-scores[people], kind="stable")]
    return np.asarray(instances.bboxes.cpu().numpy()).reshape(-1, 4)[people]


def detection_from_instances(instances: Any) -> Detection | None:
    """mmpose's instances (keypoints [1, 133, 2], keypoint_scores [1, 133]) as a detection."""
    points, scores = openpose_order(
        np.asarray(instances.keypoints[0]), np.asarray(instances.keypoint_scores[0])
    )
    keypoints = np.concatenate([points, scores[:, None] / RTMW_SCORE_SCALE], axis=1)
    return detection_from_keypoints(keypoints) if (keypoints[FACE_POINTS, 2] > 0).any() else None
