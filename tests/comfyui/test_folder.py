"""Folders that a workflow names: pairs to dub, and small models. Only those that it may read."""

import os
from pathlib import Path

import folder_paths
import pytest
import torch
from comfy_api.latest import InputImpl
from minis import make_mini, write_footage

from xdub_core.errors import MediaError, SettingsError
from xdub_core.heads.demo_sample import write_wav

LINKS = pytest.mark.skipif(os.name == "nt", reason="links need rights there")


@pytest.fixture
def node(pack):
    return pack("folder").LoadFolder


@pytest.fixture
def mini_node(pack):
    return pack("mini").LoadMini


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    """A folder that the machine's owner allows, with two pairs."""
    monkeypatch.setenv("XDUB_FOLDERS", str(tmp_path))
    return put_pairs(tmp_path / "pairs")


@pytest.fixture
def inputs():
    folder = Path(folder_paths.get_input_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def put_pairs(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("anna", "bert"):
        write_footage(folder / f"{name}.mp4", 3)
        write_wav(torch.linspace(-1, 1, 1600).numpy(), folder / f"{name}.wav")
    return folder


def test_a_folder_gives_pairs_of_one_name(node, pairs):
    videos, audios, names = node.execute(str(pairs)).args
    assert [video.get_frame_count() for video in videos] == [3, 3]
    assert names == ["anna", "bert"]
    assert audios[0]["sample_rate"] == 16000
    assert torch.allclose(audios[0]["waveform"][0, 0], torch.linspace(-1, 1, 1600), atol=1e-3)


def test_recordings_are_read_one_at_a_time_and_used_as_any_audio(pack, node, pairs, monkeypatch):
    read = []
    sound = pack("comfy_bridge.folder")
    whole = sound.read_sound
    monkeypatch.setattr(sound, "read_sound", lambda path: read.append(path.name) or whole(path))
    first, second = node.execute(str(pairs)).args[1]
    assert read == []
    assert "waveform" in first and set(first) == {"waveform", "sample_rate"} and read == []
    assert (
        first["waveform"].shape
        == {**first}["waveform"].shape
        == first.copy()["waveform"].shape
        == (1, 1, 1600)
    )
    assert second["sample_rate"] == dict(second)["sample_rate"] == 16000
    assert read == ["anna.wav", "bert.wav"]
    video = InputImpl.VideoFromFile(str(pairs / "anna.mp4"))
    made = pack("comfy_bridge.media.footage").footage(video)
    dub = pack("comfy_bridge.media.result").video_of(made.slots(), made, [first], 23)
    assert dub.get_components().audio["sample_rate"] == 16000


def test_a_recording_that_is_none_is_told_before_anything_is_dubbed(node, pairs):
    (pairs / "bert.wav").write_bytes(b"no sound at all" * 100)
    with pytest.raises(MediaError, match=r"bert\.wav"):
        node.execute(str(pairs))


def test_one_pair_of_a_folder_may_be_chosen(node, pairs):
    folder = str(pairs)
    videos, audios, names = node.execute(folder, pair=2).args
    assert (len(videos), len(audios), names) == (1, 1, ["bert"])
    assert node.execute(folder, pair=0).args[2] == node.execute(folder).args[2] == ["anna", "bert"]
    assert node.validate_inputs(folder=folder, pair=2) is True
    assert "holds 2: choose 1 to 2" in node.validate_inputs(folder=folder, pair=3)
    before = node.fingerprint_inputs(folder, pair=1)
    (pairs / "bert.wav").touch()
    assert node.fingerprint_inputs(folder, pair=1) == before  # another pair's file changes nothing
    assert "anna" in before and "bert" not in before


def test_a_linked_folder_is_read_anew_each_time(node):
    assert node.fingerprint_inputs() != node.fingerprint_inputs()
    assert node.validate_inputs() is True


def test_workflows_saved_before_pairs_could_be_chosen_still_mean_all(node):
    (pair,) = [given for given in node.define_schema().inputs if given.id == "pair"]
    assert (pair.default, pair.optional, pair.control_after_generate) == (0, True, "fixed")
    assert [given.id for given in node.define_schema().inputs][-1] == "pair"


def test_a_folder_without_pairs_is_told(node, tmp_path, monkeypatch):
    monkeypatch.setenv("XDUB_FOLDERS", str(tmp_path))
    for nowhere in ("nowhere", "", "a" * 300, "anna.mp4"):
        assert "folder" in node.validate_inputs(folder=nowhere)
    assert "holds no video" in node.validate_inputs(folder=str(tmp_path))
    write_footage(tmp_path / "anna.mp4", 3)
    assert "no recording for anna.mp4: give it the same name, as anna.wav" in node.validate_inputs(
        folder=str(tmp_path)
    )


def test_comfyui_s_own_folders_may_be_read(node, inputs):
    put_pairs(inputs / "mine")
    assert node.validate_inputs(folder="mine") is True
    assert node.validate_inputs(folder=f"  {inputs / 'mine'} ") is True
    for folder in (folder_paths.get_output_directory(), folder_paths.get_temp_directory()):
        assert node.execute(str(put_pairs(Path(folder) / "dubs"))).args[2] == ["anna", "bert"]


@pytest.fixture
def touched(monkeypatch):
    """Every path that is looked at, listed or opened from now on."""
    seen = []

    def watched(function):
        def call(path=".", *args, **kwargs):
            seen.append(os.fspath(path) if isinstance(path, str | os.PathLike) else "")
            return function(path, *args, **kwargs)

        return call

    for name in ("stat", "lstat", "scandir", "listdir", "open", "readlink", "access"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    return seen


def tricks(secret: Path, inputs: Path) -> list[str]:
    """Ways to name a folder that is none of the workflow's business."""
    up = os.path.relpath(secret, inputs)
    return [
        str(secret),
        f"{secret}/",
        f"/{secret}",
        f"/.{secret}",
        f"{secret}/../secret",
        up,
        f"x/../{up}",
        f"{inputs}/{up}",
        f"{inputs}{secret}/../../../../../../../../../..{secret}",
        f"/proc/self/root{secret}",
        f"//host/share{secret}",
        f"\\\\host\\share{secret}",
        f"\\\\?\\{secret}",
        f"C:{secret}",
        f"file://{secret}",
        f"~/{os.path.relpath(secret, Path.home())}",
        f"$HOME/{os.path.relpath(secret, Path.home())}",
        f"{secret}\0",
        str(secret).upper(),
        f"{secret}/" + "./" * 3000,
        f" {secret} ",
    ]


def test_no_trick_reads_a_folder_of_the_server(node, mini_node, inputs, tmp_path, touched, monkeypatch):
    monkeypatch.delenv("XDUB_FOLDERS", raising=False)
    secret = put_pairs(tmp_path / "secret")
    make_mini(secret / "mini")
    for trick in tricks(secret, inputs):
        touched.clear()
        told = node.validate_inputs(folder=trick), mini_node.validate_inputs(folder=f"{trick}/mini")
        for line in told:
            assert isinstance(line, str) and len(line) < 400 and "\n" not in line, trick
            assert "anna" not in line and "bert" not in line and "mini.json" not in line, line
        with pytest.raises(SettingsError):
            node.execute(trick)
        with pytest.raises(SettingsError):
            node.fingerprint_inputs(trick)
        with pytest.raises(SettingsError):
            mini_node.execute(False, trick)
        outside = [path for path in touched if not str(path).startswith(str(inputs.parent))]
        assert not [path for path in outside if "secret" in str(path).lower()], trick


@LINKS
def test_links_out_of_comfyui_s_folders_are_not_followed(node, mini_node, inputs, tmp_path, touched):
    secret = put_pairs(tmp_path / "secret")
    make_mini(secret / "mini")
    (inputs / "way_out").symlink_to(secret)
    (inputs / "by_a_link").symlink_to("way_out")
    touched.clear()
    for name in ("way_out", "by_a_link", f"{inputs}/way_out"):
        assert "leads outside of the folders" in node.validate_inputs(folder=name)
        assert "leads outside of the folders" in mini_node.validate_inputs(folder=f"{inputs}/way_out/mini")
    assert not [path for path in touched if str(path).startswith(str(secret))]


@LINKS
def test_files_that_are_links_are_judged_too(node, mini_node, inputs, tmp_path):
    secret, mine = put_pairs(tmp_path / "secret"), put_pairs(inputs / "linked_files")
    (mine / "carl.mp4").symlink_to(mine / "anna.mp4")
    (mine / "carl.wav").symlink_to("anna.wav")
    assert node.execute("linked_files").args[2] == ["anna", "bert", "carl"]
    (mine / "notes.txt").symlink_to("/etc/hostname")  # nobody reads it
    assert node.validate_inputs(folder="linked_files") is True
    (mine / "dora.mp4").symlink_to(secret / "anna.mp4")
    told = node.validate_inputs(folder="linked_files")
    assert told.startswith("'dora.mp4' leads outside") and "secret" not in told
    models = make_mini(Path(folder_paths.models_dir) / "linked")
    (models / "mini.json").rename(secret / "mini.json")
    (models / "mini.json").symlink_to(secret / "mini.json")
    assert "leads outside" in mini_node.validate_inputs(folder="linked")


@LINKS
def test_a_root_that_is_itself_a_link_is_the_owner_s_will(node, tmp_path, monkeypatch):
    real = put_pairs(tmp_path / "disk" / "pairs").parent
    (tmp_path / "alias").symlink_to(real)
    monkeypatch.setenv("XDUB_FOLDERS", str(tmp_path / "alias"))
    for place in (tmp_path / "alias", real):
        assert node.execute(str(place / "pairs")).args[2] == ["anna", "bert"]


def test_the_owner_may_allow_more(node, mini_node, tmp_path, monkeypatch):
    one, two = put_pairs(tmp_path / "one"), put_pairs(tmp_path / "two")
    make_mini(two / "mini")
    monkeypatch.setenv("XDUB_FOLDERS", os.pathsep.join(["", str(one), str(two)]))
    for place in (one, two):
        assert node.execute(str(place)).args[2] == ["anna", "bert"]
    assert mini_node.validate_inputs(folder=str(two / "mini")) is True
    assert node.validate_inputs(folder=f"{one}/../two") is True
    assert "outside" in node.validate_inputs(folder=str(tmp_path))


def test_a_line_in_extra_model_paths_allows_more(node, tmp_path, monkeypatch):
    from utils.extra_config import load_extra_path_config

    monkeypatch.setattr(folder_paths, "folder_names_and_paths", dict(folder_paths.folder_names_and_paths))
    folder = put_pairs(tmp_path / "clips" / "today")
    assert "outside" in node.validate_inputs(folder=str(folder))
    config = tmp_path / "extra_model_paths.yaml"
    config.write_text(f"dubs:\n  base_path: {tmp_path}\n  xdub_folders: clips\n", encoding="utf-8")
    load_extra_path_config(str(config))
    assert node.execute(str(folder)).args[2] == ["anna", "bert"]


def test_small_models_lie_in_the_models_folder(mini_node):
    make_mini(Path(folder_paths.models_dir) / "my_mini")
    assert mini_node.validate_inputs(folder="my_mini") is True
    assert mini_node.validate_inputs() is True
