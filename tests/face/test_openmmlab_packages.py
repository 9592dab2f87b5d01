"""Our detector against the real OpenMMLab packages, both with the same weights; `make openmmlab` runs this.

Where the packages or the goldens are not there it skips. The weights are the goldens' recipe: random, but such that
nothing hangs on the last bit of a float, which a random network of this depth otherwise magnifies.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.golden_detector import frame_names, golden_weights
from xdub_core.face.openmmlab import PACKAGES, OpenMMLabDetector
from xdub_core.face.rtmw_detector import RTMWSettings, load_rtmw_detector

pytestmark = [
    pytest.mark.goldens,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in PACKAGES),
        reason="OpenMMLab is not here: `make openmmlab` makes an environment that has it, and runs this there",
    ),
]
SETTINGS = RTMWSettings(face_threshold=0)
FRAMES = 2
TIES = 0.08
"""Share of points that may lie elsewhere: two bins of a random network can be equally likely but for the last bit."""


@pytest.fixture(scope="module")
def folder(goldens: Path) -> Path:
    if not (goldens / "detector").is_dir():
        pytest.skip("the golden folder has no detector/")
    return goldens / "detector"


def both(folder: Path, into: Path, people: bool) -> tuple[np.ndarray, np.ndarray]:
    """The keypoints that ours and theirs find in the golden frames; without `people`, in the whole frames."""
    for network in ("det", "pose"):
        state = golden_weights(folder, network)[0]
        for name, tensor in state.items():
            if not people and "multi_level_conv_obj" in name and name.endswith("bias"):
                tensor.fill_(-50)
        save_file(state, into / f"{network}.safetensors")
    paths = into / "det.safetensors", into / "pose.safetensors"
    pictures = load_file(folder / "frames.safetensors")
    frames = [pictures[f"frame/{name}"].numpy() for name in frame_names(folder)[:FRAMES]]
    detectors = load_rtmw_detector(*paths, settings=SETTINGS), OpenMMLabDetector(*paths, settings=SETTINGS)
    ours, theirs = (np.stack([found.keypoints for found in each.detect(frames)]) for each in detectors)
    assert np.ptp(theirs[..., 0], axis=1).min() > 5, "the points must not all lie in one place"
    return ours, theirs


@pytest.mark.parametrize(("people", "scores"), [(True, 5e-3), (False, 1e-5)])
def test_both_find_the_same_points_with_the_same_scores(folder, tmp_path, people, scores):
    """A person's box that differs by a thousandth of a pixel turns some grey levels over, and so moves the scores."""
    ours, theirs = both(folder, tmp_path, people)
    distance = np.linalg.norm(ours[..., :2] - theirs[..., :2], axis=-1)
    assert (distance > 0.01).mean() <= TIES, np.sort(distance.ravel())[-20:]
    assert np.abs(ours[..., 2] - theirs[..., 2]).max() < scores
