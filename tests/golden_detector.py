"""The detector's golden folder: weights made from its recipe, and how far the networks are from its numbers.

`measure_people` and `measure_pose` give one row per quantity and frame; the tests and the parity program read them.
One network is in memory at a time (217 and 369 MB).
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.golden import golden_metadata
from xdub_core.face.pose import (
    crop_window,
    decode_simcc,
    flip_test,
    openpose_order,
    pose_input,
    to_frame,
    warp_crop,
)
from xdub_core.face.rtmw import RTMW
from xdub_core.face.yolox import YOLOX, decode_people, detector_input, letterbox

GAINS = {
    "multi_level_conv_cls": 1.5,
    "multi_level_conv_reg": 0.5,
    "multi_level_conv_obj": 4.0,
    "head.cls_x": 0.3,
    "head.cls_y": 0.3,
}
NETWORKS: dict[str, Callable[[], nn.Module]] = {"det": YOLOX, "pose": RTMW}
TIE = 1e-3
"""Bins whose logits differ by less may change places between machines; such points are not compared."""


@dataclass(frozen=True)
class Row:
    """One quantity: its largest error and what is allowed, in the unit that `quantity` names."""

    quantity: str
    frame: str
    error: float
    tolerance: float


def golden_keys(folder: Path, network: str) -> list[tuple[str, list[int], str, str]]:
    """(name, shape, dtype, source) of every tensor of "det" or "pose"."""
    return [tuple(row) for row in json.loads((folder / "keys.json").read_text())[network]["tensors"]]


def recipe_tensor(name: str, shape: list[int], seed_xor: int) -> Tensor:
    """The random tensor of that name."""
    seed = (zlib.crc32(name.encode("ascii")) ^ seed_xor) & 0x7FFFFFFF
    r = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if name == "head.gau.gamma":
        return 0.25 * r + 0.25
    if name == "head.gau.beta":
        return 0.15 * r
    if len(shape) > 1:
        gain = next((gain for part, gain in GAINS.items() if part in name), 1.0)
        return r * (gain / math.sqrt(math.prod(shape[1:])))
    if name.endswith("bias") and not name.endswith(".bn.bias"):
        return 0.1 * r
    return 1 + 0.1 * r


def golden_weights(folder: Path, network: str) -> tuple[dict[str, Tensor], Tensor]:
    """The state dict of "det" or "pose", and the expected sums of each tensor and its absolute values."""
    path = folder / "weights_stored.safetensors"
    seed_xor = int(golden_metadata(path).get("seed_xor", "0"), 0)
    stored = load_file(path)
    state = {}
    for name, shape, dtype, source in golden_keys(folder, network):
        if source == "stored":
            state[name] = stored[f"{network}/{name}"]
        elif source == "zero":
            state[name] = torch.zeros(shape, dtype=getattr(torch, dtype))
        else:
            state[name] = recipe_tensor(name, shape, seed_xor)
    return state, stored[f"check/{network}"]


def golden_network(folder: Path, network: str) -> tuple[nn.Module, Row]:
    """The full-size network with its golden weights, and how far their sums are from the expected ones."""
    state, expected = golden_weights(folder, network)
    sums = torch.tensor([(t.double().sum().item(), t.double().abs().sum().item()) for t in state.values()])
    error = ((sums - expected).abs() / expected[:, 1:].clamp(min=1e-9)).max().item()
    with torch.device("meta"):
        model = NETWORKS[network]()
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False), Row(f"{network} weights", "all", error, 1e-6)


def frame_names(folder: Path) -> list[str]:
    return golden_metadata(folder / "frames.safetensors")["frames"].split(",")


@torch.inference_mode()
def measure_people(folder: Path) -> Iterator[Row]:
    """YOLOX-L from the frames: letterbox, raw outputs, the best person's box and score."""
    expected, frames = load_file(folder / "expected.safetensors"), load_file(folder / "frames.safetensors")
    network, weights = golden_network(folder, "det")
    yield weights
    for name in frame_names(folder):
        golden = {
            key.removeprefix(f"{name}/"): t for key, t in expected.items() if key.startswith(f"{name}/")
        }
        boxed = letterbox(frames[f"frame/{name}"].numpy())
        images = detector_input(boxed.image[None])
        yield Row("letterbox (grey levels)", name, _letterbox_error(images[0], golden), 0)
        scale_error = np.abs(np.array(boxed.scale) - golden["scale_factor_wh"].numpy()).max()
        yield Row("letterbox scale", name, float(scale_error), 1e-9)

        levels = network(images.float())
        maps = [torch.cat(level, 1)[0] for level in levels]
        raw = torch.stack([maps[i][c, y, x] for i, c, y, x in golden["det_idx"].tolist()])
        yield Row("YOLOX raw outputs", name, _of_range(raw, golden["det_val"]), 1e-4)

        people = decode_people(levels, [boxed.scale], threshold=0.0)[0]
        box_error = np.abs(people.boxes[0] - golden["det_box"].numpy()).max()
        yield Row("person box (px)", name, float(box_error), 0.01)
        scores = golden["det_score"][0].item(), golden["det_runner_up"][0].item()
        yield Row("person score", name, float(np.abs(people.scores[:2] - scores).max()), 1e-4)


@torch.inference_mode()
def measure_pose(folder: Path) -> Iterator[Row]:
    """RTMW-x from the stored crops: warp, logits with the flip test, 133 points, and the 134 of the release."""
    expected, frames = load_file(folder / "expected.safetensors"), load_file(folder / "frames.safetensors")
    network, weights = golden_network(folder, "pose")
    yield weights
    for name in frame_names(folder):
        golden = {
            key.removeprefix(f"{name}/"): t for key, t in expected.items() if key.startswith(f"{name}/")
        }
        window = crop_window(golden["det_box"].numpy())
        place = np.concatenate([window.center, window.size])
        place_error = np.abs(place - torch.cat([golden["pose_center"], golden["pose_scale"]]).numpy()).max()
        yield Row("pose window (px)", name, float(place_error), 1e-3)
        crop = frames[f"crop/{name}"].numpy()
        warped = warp_crop(frames[f"frame/{name}"].numpy(), window)
        yield Row("pose warp (grey levels)", name, float(np.abs(warped.astype(int) - crop).max()), 4)

        inputs = pose_input(crop[None])
        x, y = flip_test(network, inputs)
        for axis, logits in (("x", x), ("y", y)):
            point, bins = golden[f"simcc_{axis}_idx"].long().T
            error = _of_range(logits[0, point, bins], golden[f"simcc_{axis}_avg"])
            yield Row(f"SimCC {axis} logits", name, error, 1e-4)
        points, scores = (part[0] for part in decode_simcc(x, y))
        yield from _point_rows(name, to_frame(points, window), scores, golden)


def _point_rows(
    name: str, points: np.ndarray, scores: np.ndarray, golden: dict[str, Tensor]
) -> Iterator[Row]:
    clear = (golden["simcc_margin"] > TIE).all(1).numpy()
    errors = np.abs(points - golden["kpt133"].numpy()).max(1)
    yield Row("133 keypoints (px)", name, float(errors[clear].max()), 0.01)
    yield Row("133 keypoint scores", name, float(np.abs(scores - golden["score133"].numpy()).max()), 1e-4)
    ordered, raw = openpose_order(points, scores)
    # A point that ties is moved in the expected order, too.
    tied = openpose_order(np.repeat(~clear[:, None], 2, 1).astype(float), scores)[0].any(1)
    errors = np.abs(ordered - golden["candidate"][0].numpy()).max(1)
    yield Row("134 keypoints (px)", name, float(errors[~tied].max()), 0.01)
    yield Row("134 keypoint scores", name, float(np.abs(raw - golden["subset"][0].numpy()).max()), 1e-4)


def _letterbox_error(image: Tensor, golden: dict[str, Tensor]) -> float:
    if list(image.shape[1:]) != golden["letterbox_hw"].tolist():
        return math.inf
    channel, row, column = golden["letterbox_idx"].long().T
    sampled = (image[channel, row, column].int() - golden["letterbox_val"].int()).abs().max().item()
    same = zlib.crc32(image.contiguous().numpy().tobytes()) == golden["letterbox_crc32"].item()
    return float(sampled) if sampled or same else 1.0


def _of_range(result: Tensor, expected: Tensor) -> float:
    return ((result - expected).abs().max() / (expected.max() - expected.min())).item()
