"""Opening files of tensors: every format alike, one tensor at a time, and one line about what is wrong."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.weights.files import FIRST_BYTES
from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.weights.identify import describe_file
from xdub_core.weights.tensor_file import json_beside, open_tensors

TENSORS = {
    "table": torch.arange(12.0).reshape(4, 3),
    "half": torch.tensor([1.5], dtype=torch.bfloat16),
    "count": torch.tensor(7),
}
MAPS = Path("/proc/self/maps")
DTYPES = {"table": "F32", "half": "BF16", "count": "I64"}


def _safetensors(folder, tensors=TENSORS):
    save_file(tensors, folder / "model.safetensors")
    return folder / "model.safetensors"


def _sharded(folder):
    parts = {"table": "model-1.safetensors", "half": "model-2.safetensors", "count": "model-2.safetensors"}
    for part in set(parts.values()):
        save_file({n: t for n, t in TENSORS.items() if parts[n] == part}, folder / part)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}))
    return index


def _torch(folder, tensors=TENSORS):
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def _old_torch(folder):
    torch.save(TENSORS, folder / "old.pth", _use_new_zipfile_serialization=False)
    return folder / "old.pth"


def _folder(folder):
    _sharded(folder)
    return folder


@pytest.mark.parametrize("write", [_safetensors, _sharded, _torch, _old_torch, _folder])
def test_every_format_gives_the_same_tensors(tmp_path, write):
    file = open_tensors(write(tmp_path))
    assert file.shapes == {name: tuple(tensor.shape) for name, tensor in TENSORS.items()}
    assert file.dtypes == DTYPES
    assert all(torch.equal(file.read(name), tensor) for name, tensor in TENSORS.items())
    assert torch.equal(file.rows("table", 1, 3), TENSORS["table"][1:3])


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model_state"])
def test_tensors_are_found_in_what_wraps_them(tmp_path, wrapper):
    torch.save({"dims": {"n_mels": 80}, wrapper: TENSORS}, tmp_path / "model.pt")
    file = open_tensors(tmp_path / "model.pt")
    assert file.dtypes == DTYPES
    assert file.extras == {"dims": {"n_mels": 80}}


def test_metadata_is_kept(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"made": "here"})
    assert open_tensors(tmp_path / "model.safetensors").metadata == {"made": "here"}


@pytest.mark.parametrize("header_bytes", [0x280, 0x4B50])
def test_a_header_as_long_as_a_pickle_or_a_zip_begins_is_safetensors(tmp_path, header_bytes):
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path, metadata={"note": ""})
    header = int.from_bytes(path.read_bytes()[:8], "little")
    save_file(TENSORS, path, metadata={"note": "x" * (header_bytes - header)})
    assert path.read_bytes().startswith((b"\x80", b"PK"))
    assert open_tensors(path).dtypes == DTYPES
    assert not describe_file(path).pickled


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux shows what is mapped")
@pytest.mark.parametrize("write", [_safetensors, _torch])
def test_tensors_stay_in_the_file_until_they_are_touched(tmp_path, write):
    path = write(tmp_path)
    file = open_tensors(path)
    tensor = file.read("table")
    ranges = [line.split()[0].split("-") for line in MAPS.read_text().splitlines() if str(path) in line]
    assert any(int(start, 16) <= tensor.data_ptr() < int(stop, 16) for start, stop in ranges)


@pytest.mark.parametrize("write", [_safetensors, _torch])
def test_dtypes_have_the_same_names_in_every_format(tmp_path, write):
    kinds = {
        "F64": torch.float64, "F16": torch.float16, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
        "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool,
    }  # fmt: skip
    path = write(tmp_path, {name: torch.zeros(2).to(kind) for name, kind in kinds.items()})
    assert open_tensors(path).dtypes == {name: name for name in kinds}


def test_a_tensor_that_is_not_there_is_named(tmp_path):
    file = open_tensors(_safetensors(tmp_path))
    for ask in (lambda: file.read("bias"), lambda: file.rows("bias", 0, 1)):
        with pytest.raises(CheckpointError, match=r"model\.safetensors lacks bias"):
            ask()


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
@pytest.mark.parametrize("kind", FIRST_BYTES, ids=lambda kind: kind.name)
def test_a_file_of_something_else_is_named(tmp_path, name, kind):
    (tmp_path / name).write_bytes(FIRST_BYTES[kind])
    with pytest.raises(CheckpointError) as caught:
        open_tensors(tmp_path / name)
    assert name in str(caught.value)
    assert f"it looks like {kind.value}; " in str(caught.value)


@pytest.mark.parametrize("write", [_safetensors, _torch, _old_torch, _sharded])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_file_cut_short_is_one_line(tmp_path, write, part):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="damaged or cut short") as caught:
        open_tensors(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"note": "nothing"}, {}])
def test_a_torch_file_without_tensors_is_an_error(tmp_path, content):
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="holds no named tensors"):
        open_tensors(tmp_path / "model.pth")


def test_an_index_of_files_that_are_not_there(tmp_path):
    index = _sharded(tmp_path)
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"cannot be opened .*model-2\.safetensors"):
        open_tensors(index)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": 3}', "{}"])
def test_a_broken_index_is_an_error(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"index\.json is not a readable checkpoint"):
        open_tensors(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(MissingModelError, match=r"none\.safetensors"):
        open_tensors(tmp_path / "none.safetensors")
    with pytest.raises(MissingModelError, match="holds no weights"):
        open_tensors(tmp_path)


def test_settings_beside_a_file(tmp_path):
    file = open_tensors(_safetensors(tmp_path))
    assert json_beside(file, "config.json") == {}
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    assert json_beside(file, "config.json") == {"model_type": "whisper"}
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is not readable JSON"):
        json_beside(file, "config.json")
