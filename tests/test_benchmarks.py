"""The benchmarks measure what they say."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import psutil
import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import compose_speed
import dit_forward
import engine
import gpu
import jitter
import large_faces
import memory_over_time
import paste_oracle
import peak_memory
import two_trees
import unchanged

from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.video.reader import VideoReader

SMALL = dit_forward.Case(48, 2, 2, frames=3, size=8)


def test_the_per_token_forward_computes_the_same_as_ours():
    from xdub_core.model.config import DiTConfig
    from xdub_core.model.dit import XDubDiT

    torch.manual_seed(0)
    config = DiTConfig(48, 2, 2, 96, 32, 16, 12, 32, 16, 1, 4)
    model = XDubDiT(config).eval()
    latents, reference = torch.randn(2, 2, 4, 3, 8, 8)
    constants = model.prepare(torch.randn(1, 5, 16), torch.randn(2, 3, 8, 12), latents.shape)
    with torch.no_grad():
        arguments = (latents, reference, torch.tensor([700.0, 300.0]), constants, 1)
        torch.testing.assert_close(
            dit_forward.per_token_forward(model, *arguments), model(*arguments), rtol=1e-4, atol=1e-5
        )


def test_forward_is_measured():
    measured = dit_forward.measure(SMALL, per_token=False, repeats=1)
    assert measured.seconds > 0


def test_a_tree_against_itself_computes_the_same():
    both = two_trees.compare(BENCHMARKS.parent, asdict(SMALL), repeats=1)
    assert both.error == 0
    assert min(*both.before, *both.now) > 0


def test_stages_of_composing_are_timed():
    seconds = compose_speed.measure(160, 120, 60, 64, frames=2)
    assert set(seconds) == {*compose_speed.STAGES, "CPU"}
    assert set(compose_speed.measure_encoded(160, 120, 60, frames=2)) == set(compose_speed.ENCODED)
    assert all(value > 0 for value in seconds.values())


def test_the_oracle_sees_the_old_mouth_where_the_difference_is_added_and_not_in_what_is_done_now():
    clip = paste_oracle.make_clip("plain", 480, frames=2, grain=3.0)
    crops = paste_oracle.dubbed_crops(clip, "blur", 256)
    added, whole, now = (
        paste_oracle.measure(clip, list(paste_oracle.pasted(clip, crops, way))) for way in paste_oracle.WAYS
    )
    assert added["edges"] > 0.3
    assert max(now["edges"], whole["edges"]) < 0.08
    assert now["dB"] > max(added["dB"], whole["dB"]) + 1
    assert now["grain"] == pytest.approx(1, abs=0.15)
    assert now["kept"] > 0.98


def test_a_changed_frame_is_told(tmp_path):
    for name, last in (("before", 90), ("same", 90), ("after", 91)):
        with VideoWriter(tmp_path / f"{name}.mp4", 32, 32, 25) as writer:
            for level in (80, 85, last):
                writer.write(np.full((32, 32, 3), level, np.uint8))
    before, same, after = (unchanged.hashes(tmp_path / f"{name}.mp4") for name in ("before", "same", "after"))
    assert unchanged.difference(before, same) == "identical"
    assert unchanged.difference(before, after) == "frame 2 differs"
    assert unchanged.difference(before, {**after, "frames": before["frames"]}) != "identical"
    assert unchanged.difference(before, None) == "missing now"


def test_the_gpu_program_runs_to_its_end_without_video_and_picture_packages(tmp_path):
    """PyAV, OpenCV and rich may lack on a machine with a GPU; and a row that fails leaves the others."""
    for package in ("av", "cv2", "rich"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('not on this machine')\n")
    results = tmp_path / "results"
    ran = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu.py", "--tiny", "--device", "cpu", "--out", results],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    (written,) = results.glob("*.json")
    rows = {row["what"]: row for row in json.loads(written.read_text())["rows"]}
    lacking = {name for name, row in rows.items() if row["seconds"] is None}
    assert {name for name in lacking if not name.startswith(("VAE", "within"))} == {"model"}
    assert "differs from exact" in rows["one branch, modulation per token, as the release"]["note"]
    assert written.with_suffix(".md").read_text().count("\n| ") == len(rows) + 2


def test_a_row_of_the_gpu_program_that_fails_says_why_and_one_without_time_says_so(capsys):
    bench = gpu.Bench(torch.device("cpu"), torch.float32, gpu.TINY, time.monotonic() + 60)

    def out_of_memory(row):
        raise torch.OutOfMemoryError("tried to allocate 12 GiB\nand more")

    bench.row("large", out_of_memory)
    bench.deadline = 0
    bench.row("late", out_of_memory)
    assert [row.note for row in bench.rows] == [
        "failed: OutOfMemoryError: tried to allocate 12 GiB",
        "not measured: no time was left",
    ]


def test_the_full_size_case_is_the_released_model():
    case = engine.FULL_SIZE
    assert (case.dim, case.heads, case.layers, case.tokens) == (3072, 24, 30, 10240)


PROGRAMS = (
    *("engine", "dit_forward", "compose_speed", "paste_oracle", "audio_memory", "memory_over_time", "jitter"),
    *("large_faces", "full_size", "gpu", "unchanged", "import_time", "kill_resume"),
)


@pytest.fixture(scope="module")
def helps():
    """What each of them says to --help; in one process, since most of a start is torch's."""
    program = (
        "import contextlib, io, json, runpy, sys\n"
        f"sys.path[:0] = [{str(BENCHMARKS)!r}]\n"
        "said = {}\n"
        f"for name in {PROGRAMS!r}:\n"
        f"    path = {str(BENCHMARKS)!r} + '/' + name + '.py'\n"
        "    sys.argv = [path, '--help']\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "        runpy.run_path(path, run_name='__main__')\n"
        "    said[name] = out.getvalue()\n"
        "print(json.dumps(said))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_benchmark_is_a_program_with_help(helps, name):
    assert "usage" in helps[name]


def test_benchmarks_can_be_imported_where_there_is_no_posix():
    """As on Windows: these tests are collected there, too."""
    names = [path.stem for path in BENCHMARKS.glob("*.py")]
    program = (
        "import sys, importlib, av, cv2, rich.console, torch, xdub_core.cli.app\n"
        "sys.modules.update(dict.fromkeys(['resource', 'fcntl', 'pwd', 'grp', 'termios']))\n"
        f"for name in {names}: importlib.import_module(name)"
    )
    paths = [str(BENCHMARKS), str(BENCHMARKS.parent)]
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {paths}\n{program}"], check=True)


def test_peak_memory_is_the_systems_own():
    peak_memory.reset_peak()
    block = torch.ones(2**24)
    resident = peak_memory.resident_bytes()  # not what it was before: the system takes memory back by itself
    assert resident > block.nbytes
    del block
    counted = 2**22  # the kernel's count is off by as much as each thread has not handed in yet
    assert resident - counted <= peak_memory.peak_bytes() < 2**40


def test_on_windows_psutil_tells_the_peak(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "absent")
    monkeypatch.setitem(sys.modules, "resource", None)
    told = SimpleNamespace(peak_wset=7_000_000, rss=5_000_000)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: told))
    assert (peak_memory.peak_bytes(), peak_memory.resident_bytes()) == (7_000_000, 5_000_000)


@pytest.mark.skipif(sys.platform == "win32", reason="the longest time of a case needs signals")
def test_a_few_damaged_model_files_are_told_in_one_line_each(tmp_path):
    """A short run of the program; a long one has other seeds."""
    path = Path(__file__).parent.parent / "benchmarks" / "damaged_models.py"
    command = [sys.executable, path, "--first", "7000", "--count", "4"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 damaged files" in result.stdout


def test_a_mouth_that_is_off_is_found_where_it_is():
    rows, columns = np.mgrid[:120, :160].astype(np.float64)

    def picture(x, y, size):
        height = np.exp(-(((columns - x) / (30 * size)) ** 2 + ((rows - y) / (12 * size)) ** 2))
        return np.repeat((60 + 140 * height)[..., None], 3, 2).astype(np.uint8)

    mouth = np.array([50.5, 48.5, 110.5, 72.5])
    made, truth = picture(80.4, 59.7, 1.01), picture(80, 60, 1)
    np.testing.assert_allclose(jitter.misplaced(made, truth, mouth), [0.4, -0.3, 0.3], atol=0.06)


def test_what_moves_slowly_is_no_tremble():
    at = np.arange(60)
    slow, quick = 5 * np.sin(at / 20), 0.2 * (-1.0) ** at
    assert jitter.tremble(slow) < 0.04
    np.testing.assert_allclose(jitter.tremble(slow + quick), 0.2, atol=0.02)


@pytest.mark.parametrize("late", [0.0, 0.25])
def test_flash_and_click_are_found_apart(late, tmp_path, monkeypatch):
    monkeypatch.setattr(memory_over_time, "heads", lambda people: [np.full((96, 128, 3), 90, np.uint8)] * 250)
    rate, minutes = Fraction(25), 0.6
    memory_over_time.make_video(tmp_path / "heads.mp4", minutes, 1, rate)
    memory_over_time.make_recording(tmp_path / "voice.wav", minutes, rate, clicks=True)
    out = tmp_path / "out.mp4"
    track = AudioTrack(tmp_path / "voice.wav", delay=late)
    with VideoReader(tmp_path / "heads.mp4") as video, VideoWriter(out, 128, 96, rate, audio=track) as writer:
        for frame in video.frames(range(900)):
            writer.write(frame)
    assert abs(memory_over_time.apart(out, 3) - late) < 0.002


def test_lost_detail_is_told_by_its_size():
    picture = np.random.default_rng(0).normal(128, 40, (96, 96, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
    everywhere = np.ones((96, 96), bool)
    kept = [
        large_faces.share(large_faces.octave(soft, band), large_faces.octave(picture, band), everywhere)
        for band in range(large_faces.OCTAVES)
    ]
    assert kept[0] < 0.4 and kept[3] > 0.9 and kept == sorted(kept)
