"""`python -m xdub_core jobs`: what is kept, and how to be rid of it, and of nothing else."""

import os

import numpy as np
import pytest

from tests.cli.conftest import QUICK
from xdub_core.cli import chosen_model
from xdub_core.job.folder import CLIPS, Run, is_job, open_job


@pytest.fixture
def job(run, files, monkeypatch):
    """The folder of a dub that was interrupted before its first clip."""

    def interrupt(**options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(chosen_model, "untrained_model", interrupt)
        paths = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")
        assert run("dub", *paths, *QUICK).code == 130
    return files / "out.mp4.xdub"


def age(job, days):
    for path in (*job.rglob("*"), job):
        when = path.stat().st_mtime - 86400 * days
        os.utime(path, (when, when))


def test_jobs_below_a_folder_are_listed(run, files, job):
    age(job, 3)
    outcome = run("jobs", "list", files)
    assert outcome.code == 0
    told = outcome.out.replace("\n", "")
    assert "interrupted" in told and "3 d" in told and "0 of ?" in told
    with open_job(job):
        assert "under way" in run("jobs", "list", files).out.replace("\n", "")


def test_clips_of_earlier_attempts_are_counted_apart(run, files, job):
    with open_job(job) as taken:
        taken.note("out.mp4", Run("key", clips=2))
        for clip in range(5):
            taken.store.save(CLIPS, f"{clip}", {"latents": np.zeros(1)})
    assert "2 of 2 (+3)" in " ".join(run("jobs", "list", files).out.split())


def test_here_is_where_jobs_are_looked_for(run, files, job, monkeypatch):
    monkeypatch.chdir(files)
    assert "interrupted" in run("jobs").out
    monkeypatch.chdir(job / "faces")
    assert "no jobs" in run("jobs").out


def test_a_job_is_removed_and_nothing_beside_it(run, files, job):
    outcome = run("jobs", "remove", job)
    assert outcome.code == 0 and "removed" in outcome.out
    assert sorted(path.name for path in files.iterdir()) == ["video.mp4", "voice.wav"]


def test_what_is_no_job_is_never_removed(run, files, job):
    outcome = run("jobs", "remove", job, files)
    assert outcome.code == 2 and "no job" in outcome.err
    assert is_job(job) and (files / "video.mp4").exists()
    assert run("jobs", "remove", files / "video.mp4").code == 2
    assert run("jobs", "remove", files / "none").code == 2
    (job / "notes.txt").write_text("mine")
    (job / "link").symlink_to(files, target_is_directory=True)
    assert run("jobs", "remove", job).code == 0
    assert sorted(path.name for path in job.iterdir()) == ["link", "notes.txt"]
    assert (files / "video.mp4").exists()


def test_a_job_under_way_is_not_removed(run, files, job):
    with open_job(job):
        outcome = run("jobs", "remove", job)
        assert outcome.code == 2 and "process" in outcome.err
        assert is_job(job)
        assert "0 of 1 jobs" in run("jobs", "remove", files, "--older-than", "0h").out


@pytest.mark.parametrize(
    ("than", "gone"), [("2d", True), ("4d", False), ("1w", False), ("50h", True), ("2", True)]
)
def test_old_jobs_are_removed(run, files, job, than, gone):
    age(job, 3)
    outcome = run("jobs", "remove", files, "--older-than", than)
    assert outcome.code == 0, outcome.err
    assert is_job(job) is not gone
    assert f"{int(gone)} of 1 jobs removed" in outcome.out


@pytest.mark.parametrize("than", ["", "x", "3y", "-1d", "1e9"])
def test_an_age_that_is_none(run, files, job, than):
    outcome = run("jobs", "remove", files, f"--older-than={than}")
    assert outcome.code == 2 and "--older-than" in outcome.err
    assert is_job(job)
