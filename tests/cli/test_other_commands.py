"""`info`, `models`, `demo`, `--version`, and a mistyped command."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from xdub_core import __version__
from xdub_core.cli.console import answer
from xdub_core.face.yolox import YOLOX
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.card import BUILT_IN
from xdub_core.model.dit_file import save_dit
from xdub_core.released.empty_prompt import save_empty_prompt
from xdub_core.released.untrained import untrained_model


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


def flat(text):
    """A table's text without its lines and line breaks."""
    return re.sub(r"\s|[│┃]", "", text)


def test_models_tells_a_substitutes_own_size_and_place(run, tmp_path, monkeypatch):
    monkeypatch.setattr(answer, "width", 300)
    save_empty_prompt(tmp_path / "kept" / "empty_prompt.safetensors", torch.zeros(1, 4096))
    text = flat(run("models", "--models-dir", tmp_path).out)
    assert "kept/empty_prompt.safetensors16kBthetextencoder" in text
    assert "11.4GB" not in text


def test_models_calls_damaged_files_damaged_and_names_the_folder_to_mend(run, tmp_path, monkeypatch):
    monkeypatch.setattr(answer, "width", 300)
    folder = tmp_path / "my models"
    (folder / "whisper" / "large-v2.pt").mkdir(parents=True)
    (folder / "X-Dub_model.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0{]}!!")
    (folder / "wav2vec2-base-960h").write_bytes(b"a file")
    torch.save(
        {"state_dict": {"a": torch.zeros(9)}}, folder / "yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth"
    )
    outcome = run("models", "--models-dir", folder)
    text = flat(outcome.out)
    for note in ("itsheadercannotberead", "afolder,notafile", "afile,notafolder", "2kBofabout217MB"):
        assert f"damaged:{note}" in text
    assert "4 damaged, 3 missing" in outcome.out
    assert f"download --models-dir '{folder}'" in outcome.out


def test_info_reads_a_detectors_file_to_its_end(run, tmp_path):
    path = tmp_path / "yolox.pth"
    meta = {"epoch": np.float64(300)}  # which weights_only refuses
    torch.save({"meta": meta, "state_dict": YOLOX(width=8, depth=1).state_dict()}, path)
    outcome = run("info", path)
    assert outcome.code == 0
    assert "YOLOX detector" in outcome.out
    assert "of another size" in outcome.out
    for kept in (0.99, 0.5, 0.01):
        part = tmp_path / f"part{kept}.pth"
        part.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        outcome = run("info", part)
        assert outcome.code == 2
        assert "damaged or cut short" in outcome.err


def test_info_takes_the_folders_that_models_and_dub_take(run, tmp_path):
    folder = tmp_path / "wav2vec2-base-960h"
    folder.mkdir()
    save_file(
        {"wav2vec2.feature_extractor.conv_layers.0.conv.weight": torch.zeros(2)}, folder / "model.safetensors"
    )
    outcome = run("info", folder)
    assert outcome.code == 0
    assert "a wav2vec2 model" in outcome.out
    assert "a whole xdub-mini" in run("info", BUILT_IN).out
    outcome = run("info", tmp_path)
    assert outcome.code == 2
    assert "a folder without weights" in outcome.err


def test_download_asks_first_and_takes_no_for_an_answer(run, tmp_path, monkeypatch):
    monkeypatch.setattr("xdub_core.cli.models.check_disk_space", lambda plan: None)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    monkeypatch.setattr("xdub_core.cli.models.download", lambda *args: pytest.fail("downloaded unasked"))
    outcome = run("models", "download", "--models-dir", tmp_path / "models")
    assert outcome.code == 0
    assert "Nothing was downloaded" in outcome.out
    assert not (tmp_path / "models").exists()


def test_download_without_room_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr("xdub_core.released.download.free_bytes", lambda folder: 10**9)
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

    monkeypatch.setattr("xdub_core.training.mini.make.MiniMaker.make", make)
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


@pytest.mark.parametrize(
    ("lacking", "extra", "command"), [("typer", "cli", ["info"]), ("yaml", "train", ["train", "mini"])]
)
def test_what_is_not_installed_is_told_with_how_to_install_it(lacking, extra, command):
    """In a process of its own: modules that are imported a second time would stay, and other tests patch the first."""
    start = (
        f"import sys; sys.modules[{lacking!r}] = None; sys.argv = {['xdub_core', *command]!r}\n"
        "from xdub_core.cli import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f'error: the command line needs {lacking}: pip install "x-dub[{extra}]"' in ended.stderr
