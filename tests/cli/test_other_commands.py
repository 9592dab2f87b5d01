"""`info`, `models`, `demo`, `--version`, and a mistyped command."""

import builtins
import re
import sys

import pytest
from safetensors.torch import save_file

from xdub_core import __version__
from xdub_core.media.reader import VideoReader
from xdub_core.model.checkpoint import save_dit
from xdub_core.untrained import untrained_model


def test_info_tells_a_whole_checkpoint_from_a_part(run, tmp_path):
    model = untrained_model().denoiser.model
    save_dit(model, tmp_path / "whole.safetensors")
    outcome = run("info", tmp_path / "whole.safetensors")
    assert outcome.code == 0
    assert "X-Dub checkpoint" in outcome.out
    assert "complete" in outcome.out
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "head.head.bias"}
    save_file(state, tmp_path / "part.safetensors")
    assert "head.head.bias" in run("info", tmp_path / "part.safetensors").out.replace("\n", "")


def test_info_of_no_file(run, tmp_path):
    outcome = run("info", tmp_path / "none.safetensors")
    assert outcome.code == 2
    assert "not there" in outcome.err


def test_a_name_that_is_too_long_is_one_line(run):
    outcome = run("info", "a" * 300)
    assert outcome.code == 2
    assert "too long" in outcome.err
    assert "Traceback" not in outcome.err


def test_models_lists_files_sizes_and_state(run, tmp_path):
    (tmp_path / "Wan2.2_VAE.safetensors").write_bytes(b"")
    outcome = run("models", "--models-dir", tmp_path)
    assert outcome.code == 0
    text = re.sub(r"\s|[│┃]", "", outcome.out)
    for word in ("X-Dub_model.safetensors", "12.6GB", "missing", "empty", "large-v2.pt", "modelsdownload"):
        assert word in text


def test_download_asks_first_and_takes_no_for_an_answer(run, tmp_path, monkeypatch):
    monkeypatch.setattr("xdub_core.cli.models.check_disk_space", lambda plan: None)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    monkeypatch.setattr("xdub_core.cli.models.download", lambda *args: pytest.fail("downloaded unasked"))
    outcome = run("models", "download", "--models-dir", tmp_path / "models")
    assert outcome.code == 0
    assert "Nothing was downloaded" in outcome.out
    assert not (tmp_path / "models").exists()


def test_download_without_room_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr("xdub_core.released_download.free_bytes", lambda folder: 10**9)
    outcome = run("models", "download", "--yes", "--models-dir", tmp_path)
    assert outcome.code == 2
    assert "free" in outcome.err


def test_demo_dubs_the_sample(run, tmp_path):
    """It needs nothing but what is shipped, and says how well lips and sound agree before and after."""
    outcome = run("demo", "--out", tmp_path / "demo" / "demo.mp4")
    assert outcome.code == 0, outcome.err
    for name in ("demo.mp4", "demo.preview.mp4"):
        with VideoReader(tmp_path / "demo" / name) as reader:
            assert reader.info.frames == 125
    before, after, best = (float(found) for found in re.findall(r"Sync-C (-?[\d.]+)", outcome.out))
    assert before < after
    assert before < best


def test_demo_replaces_nothing_unasked(run, tmp_path):
    (tmp_path / "demo.mp4").write_text("precious")
    outcome = run("demo", "--out", tmp_path / "demo.mp4")
    assert outcome.code == 2
    assert "--overwrite" in outcome.err
    assert (tmp_path / "demo.mp4").read_text() == "precious"


def test_demo_into_a_folder_that_cannot_be(run, tmp_path):
    (tmp_path / "file").touch()
    outcome = run("demo", "--out", tmp_path / "file" / "demo.mp4")
    assert outcome.code == 2
    assert "error: " in outcome.err


def test_interrupted_training_does_not_claim_that_nothing_was_kept(run, tmp_path, monkeypatch):
    def make(maker):
        raise KeyboardInterrupt

    monkeypatch.setattr("xdub_core.mini.make.MiniMaker.make", make)
    outcome = run("train", "mini", "--scale", "tiny", "--folder", tmp_path)
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1] == "interrupted; the same command goes on from what is in its folder"


def test_info_tells_names_in_square_brackets_as_they_are(run, tmp_path):
    save_dit(untrained_model().denoiser.model, tmp_path / "a[red]b.safetensors")
    assert "a[red]b.safetensors" in run("info", tmp_path / "a[red]b.safetensors").out


def test_version(run):
    assert run("--version").out.strip() == __version__


def test_a_mistyped_command(run):
    outcome = run("dubb")
    assert outcome.code == 2
    assert "dubb" in outcome.err


def test_without_typer_the_command_line_says_what_to_install(run, monkeypatch):
    real_import = builtins.__import__

    def no_typer(name, *args, **kwargs):
        if name == "typer":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real_import(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("xdub_core.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", no_typer)
    outcome = run("info")
    assert outcome.code == 2
    assert 'error: the command line needs typer: pip install "comfyui-x-dub[cli]"' in outcome.err
