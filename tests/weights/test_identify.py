"""Telling what a file is, without loading or running it."""

import pytest
import torch
from safetensors.torch import save_file

from tests.weights.files import FIRST_BYTES, SHAPES, XDUB, tensors
from xdub_core.errors import CheckpointError
from xdub_core.weights.identify import describe_file
from xdub_core.weights.kinds import Kind, kind_by_names, looks_like


@pytest.mark.parametrize(("kind", "shapes"), SHAPES, ids=lambda value: getattr(value, "name", ""))
def test_names_and_shapes_tell_the_kind(kind, shapes):
    assert kind_by_names(shapes) is kind


def test_every_kind_is_told_by_one_of_these_tests():
    assert set(Kind) == {kind for kind, _ in SHAPES} | FIRST_BYTES.keys() | {Kind.PICKLE}


def test_a_tensor_in_fp8_makes_a_quantised_checkpoint():
    assert kind_by_names(XDUB, dict.fromkeys(XDUB, "BF16")) is Kind.XDUB
    assert kind_by_names(XDUB, {"blocks.0.self_attn.q.weight": "F8_E4M3"}) is Kind.XDUB_QUANTISED


def test_words_for_a_message():
    assert looks_like({"head.gau.gamma": (1,)}, {}) == "an RTMPose network of mmpose (RTMW is needed)"
    assert looks_like({"shared.weight": (1,)}, {"shared.weight": "F8_E5M2"}).endswith(", quantised")
    unknown = dict.fromkeys("abcd", (1,))
    assert looks_like(unknown, {}) == "something unknown, with tensors such as a, b, c, ..."
    assert looks_like({}, {}) == "one without tensors"


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [(Kind.YOLOX, {"bbox_head.multi_level_conv_obj.0.weight": (2, 3)}), (Kind.UNKNOWN, {"a": (4,)})],
)
def test_a_file_is_described(tmp_path, kind, shapes):
    path = tmp_path / "file.safetensors"
    save_file(tensors(shapes), path, metadata={"made": "here"})
    found = describe_file(path)
    assert (found.kind, found.shapes, found.metadata) == (kind, shapes, {"made": "here"})
    assert found.dtypes == dict.fromkeys(shapes, "U8")
    assert found.bytes == path.stat().st_size
    assert found.parameters == sum(torch.Size(shape).numel() for shape in shapes.values())
    assert not found.pickled


def test_comfyuis_prefix_is_taken_off(tmp_path):
    prefix = "model.diffusion_model."
    save_file({f"{prefix}{name}": torch.zeros(2) for name in XDUB}, tmp_path / "file.safetensors")
    found = describe_file(tmp_path / "file.safetensors")
    assert (found.kind, found.prefix) == (Kind.XDUB, prefix)
    assert found.shapes.keys() == found.dtypes.keys() == XDUB.keys()


@pytest.mark.parametrize("kind", FIRST_BYTES, ids=lambda kind: kind.name)
def test_first_bytes_tell_what_holds_no_tensors(tmp_path, kind):
    path = tmp_path / "model.safetensors"
    path.write_bytes(FIRST_BYTES[kind])
    assert describe_file(path).kind is kind


@pytest.mark.parametrize("zip_format", [True, False])
def test_a_pickle_of_tensors_is_described(tmp_path, zip_format):
    state = {name: torch.zeros(2) for name in XDUB}
    path = tmp_path / "model.pt"
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=zip_format)
    found = describe_file(path)
    assert (found.kind, found.pickled) == (Kind.XDUB, True)
    assert found.shapes == dict.fromkeys(XDUB, (2,))
    assert found.dtypes == dict.fromkeys(XDUB, "F32")


def test_a_pickle_of_unknown_tensors_is_a_pickle(tmp_path):
    torch.save({"something": torch.zeros(1)}, tmp_path / "model.pt")
    assert describe_file(tmp_path / "model.pt").kind is Kind.PICKLE


def test_a_pickle_with_code_in_it_stays_closed(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"a": Harmful()}, tmp_path / "model.pth")
    assert describe_file(tmp_path / "model.pth").kind is Kind.PICKLE
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_is_called_so_where_its_name_says_what_it_is(tmp_path):
    save_file({"a": torch.zeros(100)}, tmp_path / "whole.safetensors")
    for name in ("cut.safetensors", "cut.bin"):
        (tmp_path / name).write_bytes((tmp_path / "whole.safetensors").read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        describe_file(tmp_path / "cut.safetensors")
    assert describe_file(tmp_path / "cut.bin").kind is Kind.UNKNOWN


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="not there"):
        describe_file(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="a folder"):
        describe_file(tmp_path)
