"""The built-in model on what is no rendered head: one warning before the work, and the dub all the same."""

import logging

import numpy as np
import pytest

from tests.cli.conftest import write_wav
from xdub_core.cli.demo import SAMPLE
from xdub_core.heads.drawn_head import make_voice
from xdub_core.media.output.writer import VideoWriter


@pytest.fixture
def warned(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def dub(run, tmp_path, video, *more):
    write_wav(tmp_path / "voice.wav", make_voice(0.5))
    return run(
        "dub", "--model", "mini", "--video", video, "--audio", tmp_path / "voice.wav", "--out", tmp_path / "out.mp4",
        "--steps", "1", "--preset", "ultrafast", *more,
    )  # fmt: skip


def test_no_rendered_head_is_warned_of_once_with_what_to_use(run, tmp_path, warned):
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "video.mp4", 96, 96, 25) as writer:
        for _ in range(10):
            writer.write(np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((12, 12, 1))).astype(np.uint8))
    outcome = dub(run, tmp_path, tmp_path / "video.mp4", "--whole-frame")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out.mp4").is_file()
    (warning,) = warned()
    assert "\n" not in warning
    assert all(part in warning for part in ("video.mp4", "no rendered head", "--model released", "models"))


def test_a_rendered_head_is_not(run, tmp_path, warned):
    assert dub(run, tmp_path, SAMPLE / "source.mp4", "--length", "shortest").code == 0
    assert warned() == []
