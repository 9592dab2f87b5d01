"""The released files' manifest, and telling whole files from missing and broken ones."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from xdub_core.errors import MissingModelError, SettingsError
from xdub_core.released.manifest import (
    FILES,
    FileState,
    ReleasedFile,
    find_file,
    find_files,
    human_size,
    missing_file_message,
    models_folder,
    released_file,
)

TENSORS = ReleasedFile("t", "sub/t.safetensors", 600, "a test", equivalents=("other.safetensors",))
PLAIN = ReleasedFile("p", "p.pth", 1000, "a test")
FOLDER = ReleasedFile("w", "w", 10, "a test", members=("config.json", "model.safetensors|pytorch_model.bin"))


def state(folder: Path, file: ReleasedFile) -> tuple[FileState, str]:
    status = find_files(folder, [file])[0]
    return status.state, status.note


def save_tensors(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": torch.zeros(150)}, path)
    return path


def test_the_models_size_is_that_of_its_tensor_list_in_bfloat16(reference):
    shapes = json.loads((reference / "xdub_checkpoint_keys.json").read_text())
    assert released_file("model").size_bytes == 2 * sum(math.prod(shape) for shape in shapes.values())


def test_keys_and_names_are_unique():
    assert len({file.key for file in FILES}) == len(FILES) == len({file.name for file in FILES})


def test_an_unknown_key_lists_the_known_ones():
    with pytest.raises(SettingsError, match="model, vae, text"):
        released_file("nonsense")


def test_everything_is_missing_from_an_empty_or_absent_folder(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        assert {status.state for status in find_files(folder)} == {FileState.MISSING}
        assert [status.file for status in find_files(folder)] == list(FILES)


@pytest.mark.parametrize("place", ["sub/t.safetensors", "t.safetensors", "deep/er/t.safetensors"])
def test_finds_a_file_in_any_subfolder(tmp_path, place):
    path = save_tensors(tmp_path / place)
    status = find_files(tmp_path, [TENSORS])[0]
    assert (status.state, status.path, status.size_bytes) == (FileState.THERE, path, path.stat().st_size)


def test_an_equivalent_file_will_do_but_the_release_s_own_comes_first(tmp_path):
    other = save_tensors(tmp_path / "other.safetensors")
    assert find_files(tmp_path, [TENSORS])[0].path == other
    own = save_tensors(tmp_path / "sub/t.safetensors")
    assert find_files(tmp_path, [TENSORS])[0].path == own


def test_hidden_folders_with_unfinished_downloads_do_not_count(tmp_path):
    save_tensors(tmp_path / ".cache/huggingface/download/t.safetensors")
    assert state(tmp_path, TENSORS)[0] is FileState.MISSING


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "p.pth").touch()
    assert state(tmp_path, PLAIN)[0] is FileState.EMPTY


@pytest.mark.parametrize("kept", [4, 20, 300, 690])
def test_a_truncated_tensor_file_is_incomplete_whatever_the_manifest_says(tmp_path, kept):
    path = save_tensors(tmp_path / "other.safetensors")
    path.write_bytes(path.read_bytes()[: min(kept, path.stat().st_size - 1)])
    assert state(tmp_path, TENSORS)[0] is FileState.DAMAGED


def test_a_truncated_torch_file_is_incomplete(tmp_path):
    path = tmp_path / "p.pth"
    torch.save({"a": torch.zeros(5000)}, path)
    assert state(tmp_path, PLAIN)[0] is FileState.THERE
    path.write_bytes(path.read_bytes()[:15000])
    assert state(tmp_path, PLAIN) == (FileState.DAMAGED, "its end is missing")


@pytest.mark.parametrize(("size", "expected"), [(900, FileState.DAMAGED), (960, FileState.THERE)])
def test_a_file_well_short_of_its_size_is_incomplete(tmp_path, size, expected):
    (tmp_path / "p.pth").write_bytes(b"\x80" * size)
    assert state(tmp_path, PLAIN)[0] is expected


def test_a_half_precision_copy_is_whole(tmp_path):
    file = ReleasedFile("h", "h.bin", 2000, "a test", smallest_bytes=1000)
    (tmp_path / "h.bin").write_bytes(b"h" * 1000)
    assert state(tmp_path, file)[0] is FileState.THERE


def test_a_git_lfs_pointer_is_not_the_file(tmp_path):
    (tmp_path / "p.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\n" + b" " * 2000)
    assert "Git LFS pointer" in state(tmp_path, PLAIN)[1]


def test_a_folder_needs_every_member_and_one_of_each_alternative(tmp_path):
    folder = tmp_path / "any/w"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert state(tmp_path, FOLDER) == (FileState.DAMAGED, "no model.safetensors or pytorch_model.bin")
    torch.save({"a": torch.zeros(9)}, folder / "pytorch_model.bin")
    assert find_files(tmp_path, [FOLDER])[0].path == folder
    (folder / "model.safetensors").write_bytes(b"cut")
    assert state(tmp_path, FOLDER)[0] is FileState.THERE
    (folder / "pytorch_model.bin").unlink()
    assert state(tmp_path, FOLDER) == (FileState.DAMAGED, "model.safetensors: its header cannot be read")


def test_a_whole_copy_is_preferred_to_a_broken_one(tmp_path):
    (tmp_path / "p.pth").touch()
    (tmp_path / "later").mkdir()
    (tmp_path / "later/p.pth").write_bytes(b"p" * 1000)
    assert find_files(tmp_path, [PLAIN])[0].path == tmp_path / "later/p.pth"


def test_a_missing_file_s_message_has_name_size_folder_and_command(tmp_path):
    with pytest.raises(MissingModelError) as caught:
        find_file("model", tmp_path)
    message = str(caught.value)
    for part in (
        "X-Dub_model.safetensors",
        "12.6 GB",
        f"missing in {tmp_path}",
        f"`python -m xdub_core models download --models-dir {tmp_path}`",
    ):
        assert part in message
    assert "\n" not in message


def test_a_broken_file_s_message_says_what_is_wrong(tmp_path):
    path = tmp_path / "Wan2.2_VAE.safetensors"
    path.write_bytes(b"\0" * 1000)
    with pytest.raises(MissingModelError, match=r"is damaged \(its header cannot be read\)"):
        find_file("vae", tmp_path)


def test_the_message_names_equivalents_that_comfyui_users_have():
    assert "wan2.2_vae.safetensors" in missing_file_message(released_file("vae"))


def test_the_folder_is_the_chosen_one_then_the_environments_then_the_default():
    environ = {"XDUB_MODELS": "from/environment"}
    assert models_folder("chosen", environ) == Path("chosen")
    assert models_folder(None, environ) == Path("from/environment")
    assert models_folder(None, {}) == Path("models/x-dub")


@pytest.mark.parametrize(
    ("size", "text"),
    [(12, "12 bytes"), (16_500, "16 kB"), (378_000_000, "378 MB"), (12_585_102_720, "12.6 GB")],
)
def test_sizes_are_written_for_people(size, text):
    assert human_size(size) == text
