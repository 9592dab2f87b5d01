"""`--report`: two files beside the output, and nothing of the user's is lost for them."""

import json

import cv2
import numpy as np
import pytest

from tests.cli.conftest import BOX, QUICK
from xdub_core.media.output.origin import EDITED_WITH_AI

BY_BOXES = [option for option in QUICK if option not in ("--box", BOX)]


@pytest.fixture
def dub(run, files):
    """Dubs 12 frames with a face and 8 without."""
    boxes = [[float(edge) for edge in BOX.split(",")]] * 12 + [None] * 8
    (files / "boxes.json").write_text(json.dumps(boxes))

    def call(*more, out="out.mp4"):
        given = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / out)
        faces = ("--boxes", files / "boxes.json", "--length", "source")
        return run("dub", *given, *BY_BOXES, *faces, *more)

    return call


def names(files):
    return sorted(path.name for path in files.iterdir() if path.name.startswith(("out", ".")))


def test_it_tells_what_went_in_and_what_became_of_it(dub, files):
    ended = dub("--report", "--seed", "7", "--preview")
    assert ended.code == 0, ended.err
    assert names(files) == ["out.mp4", "out.preview.mp4", "out.report.html", "out.report.json"]
    told = json.loads((files / "out.report.json").read_text(encoding="utf-8"))
    assert [(f["role"], f["path"]) for f in told["files"]] == [
        ("video", str(files / "video.mp4")),
        ("recording", str(files / "voice.wav")),
        ("output", str(files / "out.mp4")),
        ("output", str(files / "out.preview.mp4")),
    ]
    assert told["files"][2]["facts"]["digital_source_type"] == EDITED_WITH_AI
    assert told["files"][2]["facts"]["frames"] == told["cost"]["frames_shown"] == 20
    assert told["chosen"] == {
        "length": "source", "preview": True, "model": "untrained", "boxes": str(files / "boxes.json"), "seed": 7,
        "crop_size": 64, "clip_frames": 13, "steps": 1, "preset": "ultrafast",
    }  # fmt: skip
    assert told["settings"]["as_used"]["sampler.steps"] == 1
    assert [(c["number"], c["seed"]) for c in told["clips"]] == [(1, 7)]
    assert told["untouched"] == [
        {
            "first_frame": 12,
            "frames": 8,
            "start_seconds": 0.48,
            "stop_seconds": 0.8,
            "reason": "the face was not found",
        }
    ]
    assert {stage["name"] for stage in told["stages"]} >= {"Finding the face", "Dubbing", "Writing frames"}
    assert "the face was not found" in (files / "out.report.html").read_text(encoding="utf-8")


def test_warnings_from_before_the_work_are_in_it_and_pictures_are_a_video(dub, files):
    (files / "frames").mkdir()
    for number in range(21):
        if number != 5:
            cv2.imwrite(str(files / f"frames/{number:04d}.png"), np.full((80, 96, 3), 9 * number, np.uint8))
    (files / "boxes.json").write_text(json.dumps([[float(edge) for edge in BOX.split(",")]] * 21))
    ended = dub("--report", "--video", files / "frames/%04d.png")
    assert ended.code == 0, ended.err
    told = json.loads((files / "out.report.json").read_text(encoding="utf-8"))
    assert [warning for warning in told["warnings"] if "pictures are missing" in warning]
    assert told["files"][0]["path"] == str(files / "frames/%04d.png")


def test_without_it_no_report_is_written_and_what_passed_through_is_told(dub, files):
    ended = dub()
    assert ended.code == 0
    assert "0.32 s of 0.80 s came out as they went in, with nobody dubbed." in ended.out
    assert names(files) == ["out.mp4"]


@pytest.mark.parametrize("suffix", ["json", "html"])
def test_a_file_in_its_place_is_told_before_the_work_and_stays(dub, files, suffix):
    (files / f"out.report.{suffix}").write_text("mine")
    ended = dub("--report")
    assert ended.code == 2 and f"out.report.{suffix} is there already" in " ".join(ended.err.split())
    assert names(files) == [f"out.report.{suffix}"]
    assert (files / f"out.report.{suffix}").read_text() == "mine"
    assert dub("--report", "--overwrite").code == 0
    assert "X-Dub" in (files / f"out.report.{suffix}").read_text(encoding="utf-8")


def test_a_dub_that_fails_leaves_an_older_report_as_it_was(dub, files):
    assert dub("--report").code == 0
    before = {name: (files / name).read_bytes() for name in names(files)}
    (files / "boxes.json").write_text("[null]")
    assert dub("--report", "--overwrite").code == 2
    assert {name: (files / name).read_bytes() for name in names(files)} == before


def test_a_report_never_writes_over_a_recording_of_its_name(dub, files):
    (files / "out.report.json").write_bytes((files / "voice.wav").read_bytes())
    ended = dub("--report", "--overwrite", "--audio", files / "out.report.json")
    assert ended.code == 2 and "would replace its own input" in " ".join(ended.err.split())


def test_rows_of_a_batch_can_have_one_but_not_in_the_batch_s_own_place(run, dub, files):
    row = {
        "video": "video.mp4", "audio": "voice.wav", "model": "untrained", "box": BOX, "crop_size": 64,
        "clip_frames": 13, "steps": 1, "preset": "ultrafast", "length": "shortest", "report": True,
    }  # fmt: skip
    (files / "jobs.json").write_text(json.dumps([row | {"out": "jobs.mp4"}]))
    refused = run("batch", files / "jobs.json")
    assert refused.code == 2 and "the batch's own report" in " ".join(refused.err.split())
    (files / "jobs.json").write_text(json.dumps([row | {"out": "out.mp4"}]))
    assert run("batch", files / "jobs.json").code == 0
    assert names(files) == ["out.mp4", "out.report.html", "out.report.json"]
    assert "is done already" in " ".join(run("batch", files / "jobs.json").err.split())


def test_clips_of_an_earlier_run_are_told_as_kept(run, files):
    given = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")

    def kept(*more):
        ended = run("dub", *given, *QUICK, "--length", "source", "--retries", "0", "--report", *more)
        assert ended.code == 0, ended.err
        told = json.loads((files / "out.report.json").read_text(encoding="utf-8"))
        return [clip["kept"] for clip in told["clips"]], told["cost"]

    flags, cost = kept("--keep-job")
    assert flags == [False, False] and cost["frames_kept"] == 0
    sampled = cost["frames_sampled"]
    flags, cost = kept("--redo", "2", "--overwrite")
    assert flags == [True, False]
    assert cost["frames_kept"] + cost["frames_sampled"] == sampled


def test_what_the_self_check_says_is_in_it_and_at_the_end(dub, files):
    ended = dub("--report", "--retries", "1")  # noise by an untrained model does not pass
    told = json.loads((files / "out.report.json").read_text(encoding="utf-8"))
    (clip,) = told["clips"]
    assert clip["passed"] is False and len(clip["attempts"]) == 2
    assert all(attempt["reasons"] and attempt["measures"] for attempt in clip["attempts"])
    assert "1 clip passed the self-check in no attempt: 1." in ended.out


def test_who_is_ended_before_the_report_gets_it_from_the_same_command(run, files, monkeypatch):
    given = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")

    def ended(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("xdub_core.cli.dub.write_report", ended)
        assert run("dub", *given, *QUICK, "--length", "source", "--report").code == 130
    before = (files / "out.mp4").read_bytes()
    assert run("dub", *given, *QUICK, "--length", "source", "--report").code == 0
    assert names(files) == ["out.mp4", "out.report.html", "out.report.json"]
    assert (files / "out.mp4").read_bytes() == before
    told = json.loads((files / "out.report.json").read_text(encoding="utf-8"))
    assert all(clip["kept"] for clip in told["clips"])
