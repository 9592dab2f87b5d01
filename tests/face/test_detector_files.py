import collections
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.face.detector_files import (
    convert_to_safetensors,
    load_network,
    load_state_dict,
)
from xdub_core.face.rtmw import RTMW
from xdub_core.face.yolox import YOLOX
from xdub_core.weights.torch_file import read_checkpoint


def small_yolox() -> YOLOX:
    return YOLOX(width=8, depth=1)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return collections.OrderedDict(
        (name, torch.rand_like(t) if t.is_floating_point() else t)
        for name, t in small_yolox().state_dict().items()
    )


class Hostile:
    """Runs a command when a full unpickler reads it."""

    def __init__(self, module_function: tuple, *arguments: object) -> None:
        self.call = module_function, arguments

    def __reduce__(self) -> tuple:
        return self.call


class WithAttributes:
    """Becomes an ordered dictionary whose methods are hidden by numbers."""

    def __init__(self, content: dict) -> None:
        self.content = content

    def __reduce__(self) -> tuple:
        return collections.OrderedDict, (), {"get": 3, "items": 3}, None, iter(self.content.items())


def assert_same(loaded: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


@pytest.mark.parametrize("zip_format", [True, False])
def test_reads_openmmlab_files_with_numpy_in_their_metadata(
    tmp_path: Path, state: dict, zip_format: bool
) -> None:
    path = tmp_path / "model.pth"
    meta = {"epoch": 300, "scores": np.arange(3.0), "best": np.float64(0.5), "seed": np.random.RandomState(0)}
    torch.save({"meta": meta, "state_dict": state}, path, _use_new_zipfile_serialization=zip_format)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)

    assert_same(load_state_dict(path), state)
    assert read_checkpoint(path)["meta"]["epoch"] == 300


@pytest.mark.parametrize("zip_format", [True, False])
def test_keeps_dtypes_views_and_shared_storage(tmp_path: Path, zip_format: bool) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "half": base.half(),
        "bf16": base.bfloat16(),
        "count": torch.tensor(7),
        "flags": base > 3,
        "row": base[1],
        "transposed": base.T,
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(base.clone()),
    }
    path = tmp_path / "tensors.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=zip_format)

    loaded = load_state_dict(path)

    assert_same(loaded, tensors)
    assert all(loaded[name].dtype == tensor.dtype for name, tensor in tensors.items())


@pytest.mark.parametrize("zip_format", [True, False])
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, state: dict, zip_format: bool) -> None:
    import builtins
    import os

    victim = tmp_path / "ran"
    meta = [
        Hostile(os.system, f"touch {victim}"),
        Hostile(builtins.eval, f"open({str(victim)!r}, 'w')"),
        Hostile(builtins.exec, f"open({str(victim)!r}, 'w')"),
        Hostile(builtins.getattr, "", "join"),
    ]
    path = tmp_path / "hostile.pth"
    torch.save({"meta": meta, "state_dict": state}, path, _use_new_zipfile_serialization=zip_format)

    assert_same(load_state_dict(path), state)
    assert not victim.exists()


def test_a_pickle_cannot_change_what_builds_tensors(tmp_path: Path, state: dict) -> None:
    """The BUILD opcode sets attributes on whatever a name stands for: it must not reach torch's own functions."""
    code = b"".join(
        [
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n",
            b"N}X\x0c\x00\x00\x00__defaults__X\x01\x00\x00\x00a\x85s\x86b.",
        ]
    )
    path = tmp_path / "altered.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("altered/data.pkl", code)
    before = torch._utils._rebuild_tensor_v2.__defaults__

    read_checkpoint(path)

    assert torch._utils._rebuild_tensor_v2.__defaults__ == before
    torch.save(state, tmp_path / "good.pth")
    assert_same(load_state_dict(tmp_path / "good.pth"), state)


def test_attributes_on_the_state_dict_do_not_matter(tmp_path: Path, state: dict) -> None:
    path = tmp_path / "model.pth"
    torch.save(WithAttributes({"state_dict": WithAttributes(state)}), path)
    assert_same(load_state_dict(path), state)


def test_a_tensor_may_not_reach_outside_its_storage(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({"weight": torch.zeros(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in entries if name.endswith("data.pkl"))
    longer = entries[name].replace(struct.pack("<BH", ord("M"), 1000), struct.pack("<BH", ord("M"), 2000))
    for content in (
        longer,
        longer.replace(struct.pack("<BH", ord("M"), 2000), struct.pack("<BH", ord("M"), 1000), 1),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for entry, data in (entries | {name: content}).items():
                archive.writestr(entry, data)
        with pytest.raises(CheckpointError, match=r"model\.pth"):
            load_state_dict(path)


def test_converts_to_safetensors(tmp_path: Path, state: dict) -> None:
    torch.save({"meta": {"when": np.datetime64("2021-11-26")}, "state_dict": state}, tmp_path / "model.pth")

    out = convert_to_safetensors(tmp_path / "model.pth", tmp_path / "model.safetensors")

    assert_same(load_state_dict(out), state)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.pth", "model.safetensors"]


def test_conversion_to_an_unwritable_place_is_an_error(tmp_path: Path, state: dict) -> None:
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="cannot write"):
        convert_to_safetensors(tmp_path / "model.pth", tmp_path / "missing" / "model.safetensors")


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


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.10", "ONNX"),
        (b"PK\x03\x04" + bytes(100), "cut short"),
        (b"GGUF\x03\x00", "GGUF"),
        (b"\x80\x02\x8a\x05hello", "damaged"),
        (bytes(range(256)), "damaged"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_told_from_one(tmp_path: Path, content: bytes, looks: str) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=looks):
        load_state_dict(path)


@pytest.mark.parametrize("zip_format", [True, False])
def test_a_file_cut_short_is_an_error(tmp_path: Path, state: dict, zip_format: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=zip_format)
    whole = path.read_bytes()
    for keep in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(CheckpointError, match=r"model\.pth"):
            load_state_dict(path)


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingModelError, match=name):
        load_state_dict(tmp_path / name)


def test_a_damaged_safetensors_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not one")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_state_dict(tmp_path / "model.safetensors")


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"note": "nothing"}])
def test_a_file_without_tensors_is_an_error(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="holds no"):
        load_state_dict(tmp_path / "model.pth")
