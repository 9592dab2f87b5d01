"""Both networks at full size against the numbers of OpenMMLab's own code (goldens/detector)."""

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.golden import Goldens
from tests.golden_detector import NETWORKS, Row, frame_names, golden_keys, measure_people, measure_pose
from xdub_core.face.pose import FLIP_INDICES, crop_window, decode_simcc, openpose_order


@pytest.fixture(scope="module")
def folder(goldens: Goldens) -> Path:
    return goldens / "detector"


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "expected.safetensors")


@pytest.fixture(scope="module")
def rows(folder: Path) -> Iterator[list[Row]]:
    """Measured once: this makes 580 MB of weights and runs both networks on all frames."""
    people = list(measure_people(folder))
    gc.collect()
    yield people + list(measure_pose(folder))
    gc.collect()


@pytest.mark.parametrize(
    "quantity",
    [
        "det weights",
        "letterbox (grey levels)",
        "letterbox scale",
        "YOLOX raw outputs",
        "person box (px)",
        "person score",
        "pose weights",
        "pose window (px)",
        "pose warp (grey levels)",
        "SimCC x logits",
        "SimCC y logits",
        "133 keypoints (px)",
        "133 keypoint scores",
        "134 keypoints (px)",
        "134 keypoint scores",
    ],
)
def test_equals_openmmlab(rows: list[Row], quantity: str) -> None:
    measured = [row for row in rows if row.quantity == quantity]
    assert measured
    for row in measured:
        assert row.error <= row.tolerance, row


@pytest.mark.parametrize("name", NETWORKS)
def test_full_size_networks_have_exactly_the_files_tensors(folder: Path, name: str) -> None:
    with torch.device("meta"):
        network = NETWORKS[name]()

    shapes = {key: (list(t.shape), str(t.dtype)) for key, t in network.state_dict().items()}
    assert shapes == {key: (shape, f"torch.{dtype}") for key, shape, dtype, _ in golden_keys(folder, name)}


def test_simcc_decoding_with_ties_zeros_and_negative_logits(expected: dict[str, torch.Tensor]) -> None:
    points, scores = decode_simcc(expected["decode/simcc_x"], expected["decode/simcc_y"])

    assert np.array_equal(points, expected["decode/kpt_input_px"].numpy())
    assert np.array_equal(scores, expected["decode/score"].numpy())


def test_neck_and_openpose_order(expected: dict[str, torch.Tensor]) -> None:
    cases = [expected[f"layout/{name}"].numpy() for name in ("kpt133", "score133", "candidate", "subset")]
    for points, scores, candidate, subset in zip(*cases, strict=True):
        ordered, raw = openpose_order(points, scores)
        assert np.array_equal(ordered, candidate)
        assert np.array_equal(raw.astype(np.float64), subset)


def test_mirror_pairs(expected: dict[str, torch.Tensor]) -> None:
    assert np.array_equal(FLIP_INDICES, expected["flip_indices"].numpy())


def test_without_a_person_the_whole_frame_is_the_box(folder: Path, expected: dict[str, torch.Tensor]) -> None:
    """The expected points must lie on the bins of the whole frame's window (its crop depends on OpenCV's version)."""
    frames = load_file(folder / "frames.safetensors")
    for name in frame_names(folder):
        if f"noperson/{name}/kpt133" not in expected:
            continue
        height, width = frames[f"frame/{name}"].shape[:2]
        window = crop_window(np.array([0, 0, width, height]))
        points = expected[f"noperson/{name}/kpt133"].numpy()
        bins = (points - window.center + window.size / 2) / window.size * np.array([576, 768])
        assert np.abs(bins - bins.round()).max() < 0.01
