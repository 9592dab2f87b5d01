from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xdub_core.errors import MissingModelError
from xdub_core.face.openmmlab import (
    PACKAGES,
    OpenMMLabDetector,
    detection_from_instances,
    likely_people,
    require_openmmlab,
)


def test_missing_packages_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xdub_core.face.openmmlab.find_spec", lambda name: None)
    with pytest.raises(MissingModelError) as error:
        OpenMMLabDetector("yolox.pth", "rtmw.pth")
    assert all(name in str(error.value) for name in (*PACKAGES, "make openmmlab", "rtmw detector"))


def test_only_what_is_missing_is_named_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"mmengine", "mmdet", "mmpose"}
    monkeypatch.setattr("xdub_core.face.openmmlab.find_spec", lambda name: name in present or None)
    with pytest.raises(MissingModelError, match="detector needs mmcv:"):
        require_openmmlab()


def instances(labels: list[int], scores: list[float]) -> SimpleNamespace:
    boxes = torch.arange(4.0 * len(labels)).reshape(-1, 4)
    return SimpleNamespace(labels=torch.tensor(labels), scores=torch.tensor(scores), bboxes=boxes)


def test_people_come_the_most_certain_first() -> None:
    found = likely_people(instances([0, 16, 0, 0], [0.6, 0.99, 0.8, 0.4]))
    assert found.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]


def test_nobody_certain_enough_is_nobody() -> None:
    assert likely_people(instances([16, 0], [0.9, 0.5])).shape == (0, 4)
    assert likely_people(instances([], [])).shape == (0, 4)


def test_mmpose_points_become_a_detection_with_scores_over_ten() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (1, 133, 2)).astype(np.float32)
    person = SimpleNamespace(keypoints=points, keypoint_scores=np.full((1, 133), 6.0, np.float32))
    found = detection_from_instances(person)
    assert np.array_equal(found.keypoints[24:92, :2], points[0, 23:91])
    assert found.score == pytest.approx(0.6)
