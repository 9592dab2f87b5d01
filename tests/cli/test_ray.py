"""Dubs and batches on a Ray that is started on this machine: the bytes of a run without, also where a worker dies."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import BOX, QUICK, write_video, write_wav
from xdub_core.cli.cluster.connection import Room, connected, is_address
from xdub_core.cli.cluster.shots import grouped_shots
from xdub_core.cli.options.ray import check_address, with_local_ray
from xdub_core.dub.clip_plan import plan_clips
from xdub_core.dub.shots import ShotPlan
from xdub_core.errors import SettingsError
from xdub_core.heads.drawn_head import make_voice
from xdub_core.sampling import clip_sampling

NO_RAY = "Ray is not installed: pip install ray, to run the tests of --ray"
ROOT = Path(__file__).resolve().parents[2]
SHOTS = [[16, 8, 80, 72]] * 25 + [None] * 20 + [[8, 8, 72, 72]] * 25


@pytest.fixture(scope="module")
def address():
    """Of a Ray cluster with two CPUs, which ends with the module."""
    pytest.importorskip("ray", reason=NO_RAY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    environment = {**os.environ, **ours, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    head = ["start", "--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    program = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *head]
    with subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as cluster:
        told = b""
        while b"Ray runtime started" not in told:
            line = cluster.stdout.readline()
            assert line, told.decode()
            told += line
        with pytest.MonkeyPatch.context() as patched:
            for name, value in ours.items():
                patched.setenv(name, value)
            yield f"127.0.0.1:{port}"
        cluster.terminate()


@pytest.fixture
def shots(tmp_path):
    """A folder with video.mp4, in which a face is there, away, and there again, its boxes, and voice.wav."""
    write_video(tmp_path / "video.mp4", frames=len(SHOTS))
    write_wav(tmp_path / "voice.wav", make_voice(len(SHOTS) / 25))
    (tmp_path / "boxes.json").write_text(json.dumps(SHOTS))
    return tmp_path


def dub(run, files, *more, out="out.mp4"):
    paths = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / out)
    options = [option for option in QUICK if option not in ("--box", BOX)]
    return run("dub", *paths, *options, "--boxes", files / "boxes.json", *more)


def test_shots_of_a_dub_on_a_cluster_give_the_same_bytes(run, shots, address, monkeypatch):
    assert dub(run, shots, out="here.mp4").code == 0
    monkeypatch.setattr(clip_sampling, "sample_clip", lambda *_: pytest.fail("sampled here"))
    outcome = dub(run, shots, "--ray", address)
    assert outcome.code == 0, outcome.err
    assert (shots / "out.mp4").read_bytes() == (shots / "here.mp4").read_bytes()
    assert not (shots / "out.mp4.xdub").exists()


def test_a_worker_that_is_killed_changes_nothing(run, shots, address):
    psutil = pytest.importorskip("psutil")
    slow = ("--steps", "40")
    assert dub(run, shots, *slow, out="here.mp4").code == 0
    killed = []

    def kill_one():
        """The first worker that is seen at work when a clip is kept."""
        while not killed:
            if list(shots.glob("out.mp4.xdub/clips/*.safetensors")):
                for process in psutil.process_iter(["cmdline"]):
                    if not killed and (process.info["cmdline"] or [""])[0].startswith("ray::_run"):
                        with suppress(psutil.NoSuchProcess):
                            process.kill()
                            killed.append(process.pid)
            if finished.wait(0.01):
                return

    finished = threading.Event()
    killer = threading.Thread(target=kill_one)
    killer.start()
    outcome = dub(run, shots, *slow, "--ray", address)
    finished.set()
    killer.join()
    assert outcome.code == 0, outcome.err
    assert len(killed) == 1
    assert (shots / "out.mp4").read_bytes() == (shots / "here.mp4").read_bytes()


def test_what_a_task_raises_is_raised_here_as_it_is(address):
    with connected(address) as cluster:
        room = Room(cpus=1, gpus=0, threads=1, tasks=2)
        with pytest.raises(SettingsError, match=r"^--ray nowhere: give host:port"):
            list(cluster.run(room, [partial(check_address, "nowhere")]))
        assert sorted(done.number for done in cluster.run(room, [partial(check_address, None)] * 3)) == [
            0,
            1,
            2,
        ]
        with pytest.raises(SettingsError, match="no GPU"):
            cluster.room("cuda")


def test_rows_of_a_batch_on_a_cluster_give_the_same_bytes(run, files, address):
    cells = {
        "model": "untrained",
        "box": BOX,
        "crop_size": 64,
        "clip_frames": 13,
        "steps": 1,
        "preset": "ultrafast",
    }
    rows = [{"video": "video.mp4", "audio": "voice.wav", "out": f"{name}.mp4", **cells} for name in "ab"]
    rows[1]["seed"] = 7
    broken = {**rows[0], "video": "broken.mp4", "out": "c.mp4"}
    (files / "broken.mp4").write_bytes(b"\x00\x01garbage" * 500)
    (files / "jobs.json").write_text(json.dumps([*rows, broken]))
    outcome = run("batch", files / "jobs.json", "--ray", address)
    assert outcome.code == 1, outcome.err
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert "row 3" in line and "broken.mp4" in line
    report = json.loads((files / "jobs.report.json").read_text())["rows"]
    assert [row["state"] for row in report] == ["ok", "ok", "failed"]
    for row in rows:
        options = [
            f"--{name.replace('_', '-')}={cell}" for name, cell in row.items() if name in (*cells, "seed")
        ]
        paths = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "here.mp4")
        assert run("dub", *paths, *options, "--overwrite").code == 0
        assert (files / row["out"]).read_bytes() == (files / "here.mp4").read_bytes()


def test_ray_is_started_on_this_machine_where_no_address_is_given(run, shots):
    pytest.importorskip("ray", reason=NO_RAY)
    assert dub(run, shots, out="here.mp4").code == 0
    outcome = dub(run, shots, "--ray")
    assert outcome.code == 0, outcome.err
    assert (shots / "out.mp4").read_bytes() == (shots / "here.mp4").read_bytes()


def test_a_cluster_that_is_not_there(run, shots):
    pytest.importorskip("ray", reason=NO_RAY)
    outcome = dub(run, shots, "--ray", "127.0.0.1:1")
    assert outcome.code == 2
    assert "error: --ray 127.0.0.1:1: there is no such cluster" in outcome.err


def assert_one_line(outcome, *words):
    assert outcome.code == 2, outcome.err
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line


def test_without_ray_it_is_told_what_to_install(run, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    paths = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")
    assert_one_line(run("dub", *paths, *QUICK, "--ray"), "Ray", "pip install")
    (files / "jobs.json").write_text(
        json.dumps(
            [{"video": "video.mp4", "audio": "voice.wav", "out": "out.mp4", "model": "untrained", "box": BOX}]
        )
    )
    assert_one_line(run("batch", files / "jobs.json", "--ray"), "Ray", "pip install")
    assert not (files / "jobs.report.json").exists()


def test_a_cluster_shares_the_job(run, files):
    paths = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")
    assert_one_line(run("dub", *paths, *QUICK, "--ray", "--no-resume"), "--ray", "--no-resume")
    assert_one_line(run("dub", *paths, *QUICK, "--ray=nowhere"), "--ray nowhere", "host:port")


@pytest.mark.parametrize(
    ("args", "given"),
    [
        (["--ray"], ["--ray=local"]),
        (["--ray", "--seed", "1"], ["--ray=local", "--seed", "1"]),
        (["--ray", "jobs.csv"], ["--ray=local", "jobs.csv"]),
        (["--ray", "10.0.0.1:6379"], ["--ray", "10.0.0.1:6379"]),
        (["--ray", "ray://head:10001", "x"], ["--ray", "ray://head:10001", "x"]),
        (["--ray", "auto"], ["--ray", "auto"]),
        (["--ray=auto"], ["--ray=auto"]),
    ],
)
def test_an_address_may_follow(args, given):
    assert with_local_ray(args) == given


def test_addresses():
    assert all(
        map(is_address, ["auto", "local", "head:6379", "10.0.0.1:6379", "[::1]:6379", "ray://head:10001"])
    )
    assert not any(map(is_address, ["", "jobs.csv", "head", "a b:1", "C:\\jobs.csv", "--seed"]))


def test_groups_of_shots_have_about_as_many_clips_each():
    def shots(*lengths):
        return [ShotPlan(range(length), plan_clips(length), None) for length in lengths]

    plans = [shots(700, 70, 70, 70), shots(300, 70)]
    groups = grouped_shots(plans, 3)
    assert sorted(place for group in groups for place in group) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 0),
        (1, 1),
    ]
    assert groups[0] == [(0, 0)]
    assert len(grouped_shots(plans, 99)) == 6
