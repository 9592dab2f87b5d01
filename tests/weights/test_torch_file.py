"""PyTorch files whose pickle asks for more than tensors: the tensors come out, and nothing is run."""

import collections
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from xdub_core.errors import CheckpointError
from xdub_core.weights.tensor_file import open_tensors
from xdub_core.weights.torch_file import load_torch_file


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return collections.OrderedDict(weight=torch.arange(12.0).reshape(3, 4), count=torch.tensor(7))


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


def read(path: Path) -> dict[str, torch.Tensor]:
    file = open_tensors(path)
    return {name: file.read(name) for name in file.shapes}


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

    assert_same(read(path), state)
    assert load_torch_file(path)["meta"]["epoch"] == 300


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

    loaded = read(path)

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

    assert_same(read(path), state)
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
        archive.writestr("altered/version", b"3")
    before = torch._utils._rebuild_tensor_v2.__defaults__

    load_torch_file(path)

    assert torch._utils._rebuild_tensor_v2.__defaults__ == before
    torch.save(state, tmp_path / "good.pth")
    assert_same(read(tmp_path / "good.pth"), state)


def test_attributes_on_the_state_dict_do_not_matter(tmp_path: Path, state: dict) -> None:
    path = tmp_path / "model.pth"
    torch.save(WithAttributes({"state_dict": WithAttributes(state)}), path)
    assert_same(read(path), state)


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
            read(path)


def test_a_pickle_cannot_make_torch_write_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the format before zip, torch writes the source of a "module" that has changed to a file of its name."""
    monkeypatch.chdir(tmp_path)

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    function = (
        b"ctorch._utils\n_rebuild_tensor_v2\nN}("
        + text("dump_patches")
        + b"\x88"
        + text("__name__")
        + text("a")
    )
    module = b"\x80\x02(" + text("module") + function + b"u\x86b" + text("source.py") + text("other") + b"tQ."
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    path = tmp_path / "model.pth"
    path.write_bytes(b"".join(pickle.dumps(value, 2) for value in head) + module + pickle.dumps([], 2))

    with pytest.raises(CheckpointError, match="unknown kind"):
        read(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore:.*TorchScript")
def test_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "model.pt"))
    with pytest.raises(CheckpointError, match="TorchScript"):
        read(tmp_path / "model.pt")


def test_an_archive_that_was_packed_again_is_read(tmp_path: Path, state: dict) -> None:
    torch.save(state, tmp_path / "model.pth")
    with (
        zipfile.ZipFile(tmp_path / "model.pth") as archive,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    assert_same(read(tmp_path / "packed.pth"), state)


def test_a_number_that_has_changed_is_told(tmp_path: Path, state: dict) -> None:
    path = tmp_path / "model.pth"
    torch.save({"meta": np.float64(1), "state_dict": state}, path)
    whole, eleven = path.read_bytes(), struct.pack("<f", 11.0)
    path.write_bytes(whole.replace(eleven, struct.pack("<f", 12.0)))
    with pytest.raises(CheckpointError, match="damaged"):
        read(path)
