"""The command line marks what it made, unless it is asked not to, and signs it where it is asked to."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import QUICK
from xdub_core.errors import MediaError
from xdub_core.media.output.content_credentials import EditSignature
from xdub_core.media.output.origin import EDITED_WITH_AI, stated_source_type

CERTIFICATES = Path(__file__).resolve().parents[1] / "assets" / "c2pa"


@pytest.fixture
def dub(run, files):
    def call(*more):
        out = files / "out.mp4"
        given = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", out)
        ended = run("dub", *given, *QUICK, "--length", "shortest", *more)
        assert ended.code == 0, ended.err
        return out

    return call


def test_output_and_preview_say_that_ai_edited_them(dub):
    out = dub("--preview")
    assert stated_source_type(out) == EDITED_WITH_AI
    assert stated_source_type(out.with_suffix(".preview.mp4")) == EDITED_WITH_AI


def test_without_a_mark_they_say_nothing(dub):
    assert stated_source_type(dub("--no-mark")) is None


def test_rows_of_a_batch_can_say_it_or_not(run, files):
    row = {
        "video": "video.mp4", "audio": "voice.wav", "length": "shortest", "model": "untrained",
        "whole-frame": True, "crop-size": 64, "clip-frames": 13, "steps": 1,
    }  # fmt: skip
    rows = [row | {"out": "marked.mp4"}, row | {"out": "plain.mp4", "mark": False}]
    (files / "jobs.json").write_text(json.dumps(rows))
    assert run("batch", files / "jobs.json").code == 0
    assert stated_source_type(files / "marked.mp4") == EDITED_WITH_AI
    assert stated_source_type(files / "plain.mp4") is None


@pytest.mark.parametrize(("mark", "says"), [("--mark", "edited with AI"), ("--no-mark", "no mark")])
def test_info_tells_a_videos_mark(run, dub, mark, says):
    told = run("info", dub(mark))
    assert told.code == 0 and says in told.out


def test_info_of_a_video_that_is_not_there(run, tmp_path):
    told = run("info", tmp_path / "none.mp4")
    assert told.code == 2 and "there is no such file" in told.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--c2pa-cert", "a.pem"), "--c2pa-cert and --c2pa-key go together"),
        (("--c2pa-key", "a.key"), "--c2pa-cert and --c2pa-key go together"),
        (("--c2pa-timestamp", "http://a"), "add --c2pa-cert and --c2pa-key"),
        (("--c2pa-cert", "a.pem", "--c2pa-key", "a.key", "--no-mark"), "--no-mark contradicts --c2pa-cert"),
        (("--c2pa-cert", "a.pem", "--c2pa-key", "a.key"), "needs the package c2pa-python"),
        (("--c2pa-cert", "a.pem", "--c2pa-key", "a.key", "--out", "a.mkv"), "choose .mp4 or .mov"),
    ],
)
def test_what_cannot_be_signed_is_told_before_any_work(run, files, monkeypatch, options, told):
    monkeypatch.setitem(sys.modules, "c2pa", None)  # as where it is not installed
    monkeypatch.chdir(files)
    ended = run("dub", "--video", "video.mp4", "--audio", "voice.wav", "--out", "out.mp4", *QUICK, *options)
    assert ended.code == 2 and told in " ".join(ended.err.split())
    assert not (files / "out.mp4").exists()


def test_output_and_preview_are_signed(run, dub):
    pytest.importorskip("c2pa", reason="SIGNING WAS NOT TESTED: c2pa-python is not installed")
    signed = ("--c2pa-cert", CERTIFICATES / "signer.pem", "--c2pa-key", CERTIFICATES / "signer.key")
    out = dub("--preview", *signed)
    for path in (out, out.with_suffix(".preview.mp4")):
        assert "signed by Test Signer, unchanged since" in run("info", path).out
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "out.mp4", "out.preview.mp4", "video.mp4", "voice.wav",
    ]  # fmt: skip


def test_a_dub_that_was_not_signed_in_the_end_is_told_kept_and_never_called_finished(run, files, monkeypatch):
    pytest.importorskip("c2pa", reason="SIGNING WAS NOT TESTED: c2pa-python is not installed")
    signed = ("--c2pa-cert", CERTIFICATES / "signer.pem", "--c2pa-key", CERTIFICATES / "signer.key")
    given = ("--video", files / "video.mp4", "--audio", files / "voice.wav", "--out", files / "out.mp4")

    def refuse(self, path, container, title, source_type):
        raise MediaError(f"{title} was not signed (the server is away); it is whole but for that")

    with monkeypatch.context() as patch:
        patch.setattr(EditSignature, "sign", refuse)
        ended = run("dub", *given, *QUICK, "--length", "shortest", *signed)
    assert ended.code == 2 and "was not signed" in ended.err
    assert stated_source_type(files / "out.mp4") == EDITED_WITH_AI
    again = run("dub", *given, *QUICK, "--length", "shortest", *signed)
    assert again.code == 2 and "is there already" in again.err
    assert run("dub", *given, *QUICK, "--length", "shortest", *signed, "--overwrite").code == 0
    assert "signed by Test Signer" in run("info", files / "out.mp4").out
