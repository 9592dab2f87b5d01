"""Dubs that speak in a table, beside the copied source; judged by the mini's networks, on rendered heads."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xdub_core.errors import MediaError, MissingModelError, SettingsError
from xdub_core.evaluation.dub_it.judges import DubItJudges, cosine, named
from xdub_core.evaluation.dub_it.lips import mouth_aspect_ratio
from xdub_core.evaluation.dub_it.packages import DetectorMouths, SherpaSpeaker, WhisperWords
from xdub_core.evaluation.dub_it.table import (
    COPIED,
    DubItCase,
    evaluate_dubs,
    read_cases,
    write_table,
)
from xdub_core.evaluation.dub_it.video import VideoFrames
from xdub_core.evaluation.dub_it_mini import mini_dub_it_judges, mouth_of_eight
from xdub_core.face.landmarks import landmarks_from_array
from xdub_core.mini.card import BUILT_IN

SAMPLE = BUILT_IN.parent / "sample"
SOURCE, TRUTH = SAMPLE / "source.mp4", SAMPLE / "truth.mp4"


@pytest.fixture(scope="module")
def judges():
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        own = named("own_judges:LoudWords"), named("own_judges:Mean")
    finally:
        sys.path.pop(0)
    return replace(mini_dub_it_judges(), words=own[0], speaker=own[1])


@pytest.fixture(scope="module")
def table(judges, tmp_path_factory):
    broken = tmp_path_factory.mktemp("dubs") / "broken.mp4"
    broken.write_bytes(b"no video")
    dubs = {"true dub": TRUTH, "broken": broken, "none": None}
    return evaluate_dubs([DubItCase("sample", SOURCE, "hello there", "English", dubs)], judges)


def test_a_copy_is_like_its_source_and_says_none_of_the_new_words(table):
    copied = table.rows[COPIED].means
    assert next(iter(table.rows)) == COPIED
    assert (copied.lmd, copied.qd, copied.dur_err) == (0, 0, 0)
    assert (copied.int_corr, copied.v_sim, copied.csim) == pytest.approx((1, 1, 1), abs=1e-5)
    assert copied.wer == 0.5 and copied.mar_diversity > 0.05 and copied.async_frames <= 1


def test_a_dub_has_other_lips_on_the_same_face(table):
    dub = table.rows["true dub"].means
    assert dub.lmd > 0.01 and dub.qd == pytest.approx(dub.lmd * dub.mar_diversity)
    assert dub.csim > 0.9 and dub.async_frames <= 1 and dub.int_corr < 0.9


def test_success_is_the_share_of_videos_that_can_be_read(table):
    assert [row.success for row in table.rows.values()] == [1, 1, 0, 0]
    assert table.rows["none"].means.lmd is None


def test_the_table_is_written_for_people_and_for_programs(table, tmp_path):
    told, shown = write_table(table, tmp_path)
    assert json.loads(told.read_text())["true dub"]["lmd"] == table.rows["true dub"].means.lmd
    lines = shown.read_text(encoding="utf-8").splitlines()
    assert lines[0].count("|") == lines[2].count("|") == 12 and lines[2].startswith(
        f"| {COPIED} | 100% | 1.0000 |"
    )
    assert lines[-1].startswith("| none | 0% | - |")


def test_what_nobody_judges_is_not_measured():
    rows = evaluate_dubs([DubItCase("sample", SOURCE, "a", "English", {})], DubItJudges()).rows
    assert rows[COPIED].means.wer is None and rows[COPIED].means.int_corr == pytest.approx(1)


def test_a_source_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(MediaError):
        evaluate_dubs([DubItCase("x", tmp_path / "no.mp4", "a", "English", {})], DubItJudges())


def test_cases_are_read_with_files_beside_them(tmp_path):
    path = tmp_path / "cases.json"
    row = {
        "name": "one",
        "source": "in.mp4",
        "text": "Hola",
        "language": "Spanish",
        "dubs": {"a": "a.mp4", "b": None},
    }
    path.write_text(json.dumps([row]))
    (case,) = read_cases(path)
    assert case == DubItCase(
        "one", tmp_path / "in.mp4", "Hola", "Spanish", {"a": tmp_path / "a.mp4", "b": None}
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "[1]", '[{"source": "a", "language": "b", "text": " ", "dubs": {}}]']
)
def test_cases_that_are_none_are_told_in_a_line(tmp_path, content):
    path = tmp_path / "cases.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match="tells no cases") as told:
        read_cases(path)
    assert "\n" not in str(told.value)


def test_frames_are_read_when_they_are_asked_for():
    frames = VideoFrames(SOURCE)
    some = frames[3:5]
    assert (
        len(some) == 2
        and np.array_equal(frames[4], some[1])
        and np.array_equal(frames[-1], frames[len(frames) - 1])
    )
    with pytest.raises(IndexError):
        frames[len(frames)]
    frames.close()


def test_any_detector_with_landmarks_finds_mouths():
    face = np.zeros((3, 68, 2))
    face[:, :48] = np.random.default_rng(0).uniform(0, 100, (48, 2))
    face[:, 48:] = np.arange(40).reshape(20, 2)
    face[1] = np.nan
    found = DetectorMouths(landmarks_from_array(face)).find([np.zeros((100, 100, 3), np.uint8)] * 3)
    assert np.array_equal(found.points[0], np.arange(40).reshape(20, 2)) and np.isnan(found.points[1]).all()
    assert found.seen == pytest.approx(2 / 3) and np.isfinite(found.sizes[0])


def test_the_mini_s_eight_points_are_a_mouth_of_the_same_height_and_width():
    eight = np.array([[0, 0], [10, 0], [5, -2], [5, 3], [5, -1], [5, 1], [1, 0], [9, 0]], float)
    mouth = mouth_of_eight(eight)
    np.testing.assert_allclose(mouth[[0, 3, 6, 9]], [[0, 0], [5, -2], [10, 0], [5, 3]], atol=1e-12)
    assert mouth_aspect_ratio(mouth[None])[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: WhisperWords(), "pip install transformers"),
        (lambda: SherpaSpeaker("a.onnx"), "pip install sherpa-onnx"),
        (lambda: named("no_such_module:judge"), "cannot be imported"),
        (lambda: named("json:no_such_judge"), "json has no no_such_judge"),
    ],
)
def test_what_is_lacking_is_told_in_a_line(monkeypatch, make, told):
    for package in ("transformers", "sherpa_onnx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingModelError, match=told) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_judge_s_name_has_a_module():
    with pytest.raises(SettingsError, match=r"package\.module:name"):
        named("whatever")


def test_the_cosine_of_nothing_is_none():
    assert cosine(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == pytest.approx(1)
    assert cosine(np.zeros(2), np.ones(2)) == 0
