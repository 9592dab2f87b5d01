"""Our detector against the real OpenMMLab packages, both with the same weights; `make openmmlab` runs this.

Where the packages are not installed it skips. The weights are random, but calibrated: every batch norm has seen a
picture, so that activations are neither dead nor saturated and points lie all over.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xdub_core.face.openmmlab import PACKAGES, OpenMMLabDetector
from xdub_core.face.pose import crop_window, pose_input, warp_crop
from xdub_core.face.rtmw import RTMW
from xdub_core.face.rtmw_detector import RTMWDetector, RTMWSettings, load_rtmw_detector
from xdub_core.face.yolox import YOLOX, detector_input, letterbox
from xdub_core.sample import draw_head

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES),
    reason="OpenMMLab is not installed here: `make openmmlab` makes an environment that has it, and runs this there",
)
SETTINGS = RTMWSettings(face_threshold=0)
TIES = 0.02
"""Share of points that may differ: two bins of a random network can be equally likely but for the last bit."""


def frames() -> list[np.ndarray]:
    """Three sizes of a drawn head under seeded dirt."""
    rng = np.random.default_rng(0)
    shown = [draw_head(0.0), draw_head(1.3)[60:420, 100:540], draw_head(2.0)[::2, ::2]]
    return [np.clip(frame + rng.normal(0, 12, frame.shape), 0, 255).astype(np.uint8) for frame in shown]


@torch.no_grad()
def calibrated(network: nn.Module, pictures: torch.Tensor) -> nn.Module:
    """Let every batch norm take its statistics from these pictures."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(pictures)
    return network.eval()


def write_weights(folder: Path) -> tuple[Path, Path]:
    """Both networks' files, with people and faces to be found."""
    torch.manual_seed(0)
    people, pose = YOLOX(), RTMW()
    picture = frames()[0]
    calibrated(people, detector_input(letterbox(picture).image[None]).float())
    window = crop_window(np.array([150.0, 60.0, 490.0, 470.0]))
    calibrated(pose, pose_input(warp_crop(picture, window)[None]))
    paths = folder / "people.safetensors", folder / "pose.safetensors"
    for network, path in zip((people, pose), paths, strict=True):
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return paths


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> tuple[RTMWDetector, OpenMMLabDetector]:
    paths = write_weights(tmp_path_factory.mktemp("weights"))
    return load_rtmw_detector(*paths, settings=SETTINGS), OpenMMLabDetector(*paths, settings=SETTINGS)


def test_both_find_the_same_points_with_the_same_scores(detectors):
    ours, theirs = (np.stack([found.keypoints for found in each.detect(frames())]) for each in detectors)
    distance = np.linalg.norm(ours[..., :2] - theirs[..., :2], axis=-1)
    assert np.ptp(theirs[..., 0], axis=1).min() > 20, "the points must not all lie in one place"
    assert (distance > 0.01).mean() <= TIES
    assert np.abs(ours[..., 2] - theirs[..., 2]).max() < 1e-4
