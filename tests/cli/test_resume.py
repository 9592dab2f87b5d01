"""Dubs that were ended and go on: the same bytes, nothing made twice, and a folder that is never another's."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

from tests.cli.conftest import QUICK, write_video, write_wav
from xdub_core.cli import chosen_model, followed, kept_work
from xdub_core.heads.drawn_head import make_voice
from xdub_core.job.folder import is_job, open_job
from xdub_core.media.output.writer import VideoWriter
from xdub_core.sampling import clip_sampling

ONCE = (*QUICK, "--retries", "0")
"""The untrained model's noise fails every check."""
CLIPS = 4
"""Of 30 frames, in clips of 13 that take 5 over."""


@pytest.fixture
def work(monkeypatch):
    """Counts what is made: faces, features, clips; `clips_left` clips, and it is interrupted."""

    class Work:
        faces = features = clips = 0
        clips_left = None

        def taken(self):
            told = (self.faces, self.features, self.clips)
            self.faces = self.features = self.clips = 0
            return told

    made = Work()

    def counting(name, real):
        def counted(*args, **options):
            if name == "clips" and made.clips == made.clips_left:
                raise KeyboardInterrupt
            setattr(made, name, getattr(made, name) + 1)
            return real(*args, **options)

        return counted

    for place, real, name in (
        (followed, "track_faces", "faces"),
        (chosen_model, "untrained_features", "features"),
        (clip_sampling, "sample_clip", "clips"),
    ):
        monkeypatch.setattr(place, real, counting(name, getattr(place, real)))
    return made


def dub(run, files, *more, out="out.mp4", audio="voice.wav"):
    paths = ("--video", files / "video.mp4", "--audio", files / audio, "--out", files / out)
    return run("dub", *paths, *ONCE, *more)


def interrupted(run, files, work, clips, *more, **options):
    work.clips, work.clips_left = 0, clips
    outcome = dub(run, files, *more, **options)
    assert outcome.code == 130, outcome.err
    work.clips_left = None
    return outcome


def expected(run, files, *more, **options):
    """The bytes of an uninterrupted dub that keeps nothing."""
    assert dub(run, files, "--no-resume", *more, **{**options, "out": "whole.mp4"}).code == 0
    return (files / "whole.mp4").read_bytes()


def names(files):
    return sorted(path.name for path in files.iterdir())


def assert_one_line(outcome, *words):
    assert outcome.code == 2, outcome.err
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in line


@pytest.mark.parametrize("clips", [0, 1, 3])
def test_an_interrupted_dub_goes_on_to_the_same_bytes(run, files, work, clips):
    whole = expected(run, files)
    work.taken()
    outcome = interrupted(run, files, work, clips)
    assert f"{files / 'out.mp4.xdub'} keeps what is done" in outcome.err.splitlines()[-1]
    assert work.taken() == (1, 1, clips)
    outcome = dub(run, files)
    assert outcome.code == 0, outcome.err
    assert work.taken() == (0, 0, CLIPS - clips)
    assert (files / "out.mp4").read_bytes() == whole
    assert names(files) == ["out.mp4", "video.mp4", "voice.wav", "whole.mp4"]


def test_a_dub_interrupted_while_it_writes_samples_nothing_again(run, files, work, monkeypatch):
    whole = expected(run, files, "--quality", "30")

    def interrupt(writer):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(VideoWriter, "finish", interrupt)
        assert dub(run, files).code == 130
    work.taken()
    assert dub(run, files, "--quality", "30").code == 0
    assert work.taken() == (0, 0, 0)
    assert (files / "out.mp4").read_bytes() == whole


@pytest.mark.parametrize(
    ("changed", "made"),
    [
        (("--seed", "7"), (0, 0, CLIPS)),
        (("--steps", "2"), (0, 0, CLIPS)),
        (("--crop-size", "32"), (0, 0, CLIPS)),
        (("--audio-offset", "0.2"), (0, 1, CLIPS)),
        (("--box", "20,8,84,72"), (1, 0, CLIPS)),
        (("--codec", "hevc"), (0, 0, 1)),
        (("--preview",), (0, 0, 1)),
        (("--low-memory",), (0, 0, 1)),
    ],
)
def test_a_changed_option_makes_again_what_depends_on_it(run, files, work, changed, made):
    whole = expected(run, files, *changed)
    interrupted(run, files, work, CLIPS - 1)
    work.taken()
    outcome = dub(run, files, *changed)
    assert work.taken() == made
    assert (files / "out.mp4").read_bytes() == whole
    assert not (files / "out.mp4.xdub").exists()
    assert "other options or inputs" in outcome.err


def test_another_recording_needs_no_other_faces(run, files, work):
    write_wav(files / "other.wav", make_voice(1.2)[::-1])
    whole = expected(run, files, audio="other.wav")
    interrupted(run, files, work, CLIPS - 1)
    work.taken()
    assert dub(run, files, audio="other.wav").code == 0
    assert work.taken() == (0, 1, CLIPS)
    assert (files / "out.mp4").read_bytes() == whole


def test_another_video_at_the_same_path_is_another(run, files, work):
    interrupted(run, files, work, CLIPS - 1)
    write_video(files / "video.mp4", frames=19)
    whole = expected(run, files)
    work.taken()
    assert dub(run, files).code == 0
    assert work.taken() == (1, 0, CLIPS)
    assert (files / "out.mp4").read_bytes() == whole


def test_a_kept_job_samples_chosen_clips_again(run, files, work):
    assert dub(run, files, "--keep-job").code == 0
    before = (files / "out.mp4").read_bytes()
    work.taken()
    outcome = dub(run, files, "--redo", "3", "--overwrite")
    assert work.taken() == (0, 0, 2)
    assert f"sampling 1 of {CLIPS} clips again, and 1 that continue them" in outcome.err
    after = (files / "out.mp4").read_bytes()
    assert after != before
    assert dub(run, files, "--overwrite", "--keep-job").code == 0  # what was sampled again stays
    assert work.taken() == (0, 0, 0)
    assert (files / "out.mp4").read_bytes() == after
    assert dub(run, files, "--redo", "3-4", "--overwrite").code == 0
    assert work.taken() == (0, 0, 2)
    assert (files / "out.mp4").read_bytes() not in (before, after)


def test_sampling_again_that_was_interrupted_goes_on(run, files, work):
    assert dub(run, files, "--keep-job").code == 0
    work.taken()
    interrupted(run, files, work, 1, "--redo", "2,4", "--overwrite")
    assert work.taken() == (0, 0, 1)
    assert dub(run, files, "--redo", "2,4", "--overwrite").code == 0
    assert work.taken() == (0, 0, 2)


@pytest.mark.parametrize("redo", ["", "0", "x", "3-2", "1,", "-3", "1-2-3"])
def test_clips_that_are_none(run, files, redo):
    assert_one_line(dub(run, files, f"--redo={redo}"), "--redo")
    assert names(files) == ["video.mp4", "voice.wav"]


def test_sampling_again_needs_clips_that_were_sampled(run, files, work):
    interrupted(run, files, work, 1)
    for clip in (files / "out.mp4.xdub" / "clips").iterdir():
        clip.unlink()
    assert_one_line(dub(run, files, "--redo", "1"), "out.mp4.xdub keeps no clips", "--keep-job")


def test_sampling_again_needs_a_kept_job_and_its_clips(run, files, work):
    assert_one_line(dub(run, files, "--redo", "1"), "out.mp4.xdub", "--keep-job")
    assert names(files) == ["video.mp4", "voice.wav"]
    assert dub(run, files, "--keep-job").code == 0
    work.taken()
    assert_one_line(dub(run, files, "--redo", "2,5", "--overwrite"), "--redo 2,5", f"{CLIPS} clips", "no 5")
    assert work.taken() == (0, 0, 0)
    assert is_job(files / "out.mp4.xdub")


@pytest.mark.parametrize("more", [("--job", "a"), ("--keep-job",), ("--redo", "1")])
def test_options_of_a_job_that_is_not_wanted(run, files, more):
    assert_one_line(dub(run, files, "--no-resume", *more), more[0], "--no-resume")


def test_a_job_that_another_process_is_at(run, files):
    with open_job(files / "out.mp4.xdub"):
        assert_one_line(dub(run, files), "out.mp4.xdub", "process", "already")
    assert dub(run, files).code == 0


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_job_is_left_alone(run, files, kind):
    job = files / "precious"
    if kind == "folder":
        job.mkdir()
        (job / "letter.txt").write_text("dear")
    else:
        job.write_text("dear")
    assert_one_line(dub(run, files, "--job", job), str(job), "job")
    assert ((job / "letter.txt") if kind == "folder" else job).read_text() == "dear"
    assert names(files) == ["precious", "video.mp4", "voice.wav"]


@pytest.mark.parametrize("name", ["out.mp4", "video.mp4", "voice.wav", "out.preview.mp4"])
def test_a_job_in_the_place_of_a_file_is_told_before_the_work(run, files, work, name):
    assert_one_line(dub(run, files, "--job", files / name, "--preview"), "--job", name, "folder")
    assert work.taken() == (0, 0, 0)
    assert names(files) == ["video.mp4", "voice.wav"]


def test_what_others_put_into_a_job_stays(run, files, work):
    interrupted(run, files, work, 1)
    (files / "out.mp4.xdub" / "letter.txt").write_text("dear")
    (files / "out.mp4.xdub" / "clips" / "letter.txt").write_text("dear")
    assert dub(run, files).code == 0
    left = {
        path.relative_to(files).as_posix() for path in (files / "out.mp4.xdub").rglob("*") if path.is_file()
    }
    assert left == {"out.mp4.xdub/letter.txt", "out.mp4.xdub/clips/letter.txt"}


def test_a_job_of_another_version_is_told_and_done_again(run, files, work, monkeypatch):
    whole = expected(run, files)
    with monkeypatch.context() as older:
        older.setattr(kept_work, "__version__", "0.0.1")
        interrupted(run, files, work, CLIPS - 1)
    work.taken()
    outcome = dub(run, files)
    assert "xdub 0.0.1" in outcome.err and "again" in outcome.err
    assert work.taken() == (1, 1, CLIPS)
    assert (files / "out.mp4").read_bytes() == whole


def test_a_job_of_a_newer_format_is_left_alone(run, files, work):
    interrupted(run, files, work, 1)
    manifest = files / "out.mp4.xdub" / "job.json"
    newer = json.dumps({**json.loads(manifest.read_text()), "format": 999, "more": 1})
    manifest.write_text(newer)
    assert_one_line(dub(run, files), "newer version")
    assert manifest.read_text() == newer


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "a"}', '{"format": 1, "runs": {"a": 3}}']
)
def test_a_damaged_manifest_is_told_and_the_clips_are_used(run, files, work, caplog, text):
    interrupted(run, files, work, 2)
    (files / "out.mp4.xdub" / "job.json").write_text(text)
    work.taken()
    assert dub(run, files).code == 0
    assert caplog.text.count("job.json is damaged") == 1
    assert work.taken() == (0, 0, CLIPS - 2)


def test_damaged_files_are_told_and_made_again(run, files, work, caplog):
    whole = expected(run, files)
    interrupted(run, files, work, CLIPS - 1)
    kept = sorted((files / "out.mp4.xdub").glob("*/*.safetensors"))
    for path in kept:
        path.write_bytes(path.read_bytes()[:-3])
    work.taken()
    assert dub(run, files).code == 0
    assert [line.endswith("is damaged: it is made again") for line in caplog.messages] == [True] * len(kept)
    assert work.taken() == (1, 1, CLIPS)
    assert (files / "out.mp4").read_bytes() == whole


def test_one_folder_for_several_outputs_goes_with_the_last(run, files, work):
    job = ("--job", files / "job")
    interrupted(run, files, work, 2, *job)
    work.taken()
    outcome = dub(run, files, *job, "--seed", "3", out="second.mp4")
    assert work.taken() == (0, 0, CLIPS)
    assert "out.mp4" in outcome.err and is_job(files / "job")
    assert dub(run, files, *job).code == 0
    assert work.taken() == (0, 0, CLIPS - 2)
    assert not (files / "job").exists()


@contextmanager
def ended_before(name, monkeypatch):
    """A program that is ended when it comes to the outputs' taking their places, or to the removal of its job."""

    class Killed(BaseException):
        """Nothing cleans up."""

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(kept_work.KeptWork, name, kill)
        with pytest.raises(Killed):
            yield


def test_a_dub_ended_after_its_output_took_its_place_is_finished(run, files, work, monkeypatch):
    with ended_before("finish", monkeypatch):
        dub(run, files, "--preview")
    assert (files / "out.mp4").exists() and (files / "out.mp4.xdub").exists()
    work.taken()
    outcome = dub(run, files, "--preview")
    assert outcome.code == 0 and "finished already" in outcome.out
    assert work.taken() == (0, 0, 0)
    assert names(files) == ["out.mp4", "out.preview.mp4", "video.mp4", "voice.wav"]


def test_an_output_that_is_not_the_job_s_is_not_replaced(run, files, work, monkeypatch):
    with ended_before("finish", monkeypatch):
        dub(run, files)
    assert_one_line(dub(run, files, "--seed", "9"), "is there already")
    (files / "out.mp4").write_text("precious")
    assert_one_line(dub(run, files), "is there already")
    assert (files / "out.mp4").read_text() == "precious"


def test_an_output_with_a_long_name_has_a_job_too(run, files, work):
    name = "ü" * 110 + ".mp4"
    interrupted(run, files, work, 2, out=name)
    assert dub(run, files, out=name).code == 0
    assert names(files) == ["video.mp4", "voice.wav", name]


def test_the_limit_is_told_before_the_work_and_stops_nothing(run, files, caplog):
    assert dub(run, files, "--job-limit", "0.000003").code == 0
    assert ["limit" in line for line in caplog.messages] == [True, True]
    for limit in ("0", "inf", "nan"):
        assert_one_line(dub(run, files, "--job-limit", limit, "--overwrite"), "--job-limit")


def _program(files, *more):
    return [
        sys.executable, "-m", "xdub_core", "dub", "--video", files / "video.mp4", "--audio", files / "voice.wav",
        "--out", files / "out.mp4", *ONCE, *more,
    ]  # fmt: skip


def test_a_killed_dub_goes_on_to_the_same_bytes(run, files):
    """Killed for good, as soon as a clip is kept; what it left half-written goes (more: benchmarks/kill_resume.py)."""
    whole = expected(run, files)
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: with others, the last bits are others
    program = list(map(str, _program(files)))
    with subprocess.Popen(program, stderr=subprocess.DEVNULL, env=threads) as process:
        while not list(files.glob("out.mp4.xdub/clips/*.safetensors")):
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"ended with {process.wait(0.02)}")
        process.kill()
    assert not (files / "out.mp4").exists()
    outcome = dub(run, files)
    assert outcome.code == 0 and "going on with" in outcome.err
    assert (files / "out.mp4").read_bytes() == whole
    assert names(files) == ["out.mp4", "video.mp4", "voice.wav", "whole.mp4"]
