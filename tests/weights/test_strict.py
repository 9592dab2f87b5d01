"""Filling networks strictly, and the one error about a file that does not fit."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xdub_core.errors import CheckpointError
from xdub_core.weights.strict import check_tensors, load_strictly, wrong_file
from xdub_core.weights.tensor_file import open_tensors

STATE = {
    "0.weight": torch.arange(6.0).reshape(2, 3),
    "0.bias": torch.ones(2),
    "1.weight": torch.full((2,), 2.0),
    "1.bias": torch.zeros(2),
    "1.running_mean": torch.zeros(2),
    "1.running_var": torch.ones(2),
    "1.num_batches_tracked": torch.tensor(5),
}


def network():
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def stored(folder, state=STATE):
    save_file(state, folder / "model.safetensors")
    return open_tensors(folder / "model.safetensors")


def test_a_network_on_the_meta_device_gets_the_files_tensors(tmp_path):
    loaded = load_strictly(network(), stored(tmp_path), what="it")
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in STATE.items())


def test_a_network_that_is_filled_already_gets_them_too(tmp_path):
    there = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    assert load_strictly(there, stored(tmp_path), what="it") is there
    assert torch.equal(there[0].weight, STATE["0.weight"])


def test_only_floating_point_tensors_are_cast(tmp_path):
    loaded = load_strictly(network(), stored(tmp_path), what="it", dtype=torch.bfloat16).state_dict()
    assert loaded["1.num_batches_tracked"].dtype == torch.int64
    assert {loaded[name].dtype for name in STATE if not name.endswith("tracked")} == {torch.bfloat16}


def test_names_may_be_others_and_what_they_leave_out_does_not_matter(tmp_path):
    file = stored(
        tmp_path, {f"model.{name}": tensor for name, tensor in STATE.items()} | {"x": torch.ones(1)}
    )
    names = {name.removeprefix("model."): name for name in file.shapes if name != "x"}
    loaded = load_strictly(network(), file, names, what="it")
    assert torch.equal(loaded[0].weight, STATE["0.weight"])


def test_a_copy_does_not_depend_on_the_file(tmp_path):
    loaded = load_strictly(network(), stored(tmp_path), what="it", copy=True)
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(-24, 2)
        file.write(b"\xff" * 24)
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in STATE.items())


def test_one_line_says_all_that_is_wrong_what_it_looks_like_and_what_to_do(tmp_path):
    state = {name: t for name, t in STATE.items() if not name.startswith("1.running")}
    state |= {
        "extra": torch.zeros(1),
        "0.bias": torch.zeros(4),
        "1.bias": torch.zeros(2).to(torch.float8_e4m3fn),
    }
    file = stored(tmp_path, state)
    with pytest.raises(CheckpointError) as caught:
        load_strictly(network(), file, what="a whole network", advice="get another")
    assert str(caught.value) == (
        f"{file.path} is not a whole network: 2 missing (1.running_mean, 1.running_var), 1 unexpected (extra), "
        "1 of another size (0.bias is [4], not [2]), 1 quantised (1.bias is F8_E4M3); "
        "it looks like something unknown, with tensors such as 0.bias, 0.weight, 1.bias, ...; get another"
    )


def test_a_refused_network_is_left_as_it_was(tmp_path):
    there = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    before = there[0].weight.clone()
    with pytest.raises(CheckpointError):
        load_strictly(there, stored(tmp_path, STATE | {"extra": torch.zeros(1)}), what="it")
    assert torch.equal(there[0].weight, before)


def test_names_in_messages_are_the_files_except_for_what_it_lacks(tmp_path):
    state = {f"model.{name}": tensor for name, tensor in STATE.items() if name != "0.bias"}
    file = stored(tmp_path, state | {"model.1.bias": torch.zeros(3), "model.2.bias": torch.zeros(3)})
    names = {name.removeprefix("model."): name for name in file.shapes}
    with pytest.raises(CheckpointError) as caught:
        check_tensors(network(), file, names, what="it")
    for part in ("1 missing (0.bias)", "1 unexpected (model.2.bias)", "(model.1.bias is [3], not [2])"):
        assert part in str(caught.value)


def test_a_wrong_file_may_be_told_without_problems(tmp_path):
    file = stored(tmp_path, {"head.gau.gamma": torch.zeros(1)})
    assert str(wrong_file(file, "a Whisper model", advice="give one")) == (
        f"{file.path} is not a Whisper model: it looks like an RTMPose network of mmpose (RTMW is needed); give one"
    )
