import collections
from pathlib import Path

import pytest
import torch

from xdub_core.errors import CheckpointError
from xdub_core.face.detector_files import load_network
from xdub_core.face.rtmw import RTMW
from xdub_core.face.yolox import YOLOX


def small_yolox() -> YOLOX:
    return YOLOX(width=8, depth=1)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return collections.OrderedDict(
        (name, torch.rand_like(t) if t.is_floating_point() else t)
        for name, t in small_yolox().state_dict().items()
    )


def test_network_comes_with_the_files_weights_ready_to_run(tmp_path: Path, state: dict) -> None:
    torch.save({"state_dict": {**state, "ema_backbone_x": torch.zeros(1)}}, tmp_path / "model.pth")

    network = load_network(small_yolox, tmp_path / "model.pth", dtype=torch.bfloat16)

    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.bfloat16}
    assert not any(t.is_meta for t in network.state_dict().values())
    kernel = "backbone.stem.conv.conv.weight"
    assert torch.equal(network.state_dict()[kernel], state[kernel].bfloat16())


def test_the_wrong_file_is_named_with_what_it_looks_like(tmp_path: Path, state: dict) -> None:
    torch.save({"state_dict": state}, tmp_path / "yolox.pth")

    with pytest.raises(CheckpointError) as error:
        load_network(lambda: RTMW(width=8, depth=1), tmp_path / "yolox.pth")

    message = str(error.value)
    assert "\n" not in message
    for part in ("yolox.pth", "RTMW", "missing", "unexpected", "a YOLOX detector of mmdet"):
        assert part in message


def test_another_size_of_the_same_network_is_told(tmp_path: Path, state: dict) -> None:
    torch.save(state, tmp_path / "small.pth")
    with pytest.raises(
        CheckpointError, match=r"of another size \(.* is \[8, 12, 3, 3\], not \[16, 12, 3, 3\]"
    ):
        load_network(lambda: YOLOX(width=16, depth=1), tmp_path / "small.pth")
