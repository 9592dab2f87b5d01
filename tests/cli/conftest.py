"""The command line, called as a user calls it, but in this process."""

import shutil
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.cli import main
from xdub_core.heads.drawn_head import make_voice
from xdub_core.media.output.writer import VideoWriter

WIDTH, HEIGHT = 96, 80
BOX = "16,8,80,72"
QUICK = (
    "--model", "untrained", "--box", BOX, "--crop-size", "64", "--clip-frames", "13", "--steps", "1",
    "--preset", "ultrafast",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capfd):
    """Call `python -m xdub_core ARGS`; gives the exit code and what was printed."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["xdub_core", *map(str, args)])
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        else:
            code = 0
        printed = capfd.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


def write_video(path, frames=20, width=WIDTH, height=HEIGHT):
    y, x = np.mgrid[:height, :width]
    with VideoWriter(path, width, height, 25) as writer:
        for number in range(frames):
            picture = np.stack([x * 2 + number, y * 2, x + y], axis=-1) % 200 + 20
            writer.write(picture.astype(np.uint8))
    return path


def write_wav(path, samples, rate=SAMPLE_RATE):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """What `files` copies."""
    folder = tmp_path_factory.mktemp("originals")
    write_video(folder / "video.mp4")
    write_wav(folder / "voice.wav", make_voice(1.2))
    return folder


@pytest.fixture
def files(tmp_path, originals):
    """A folder with video.mp4 (20 frames) and voice.wav (1.2 s = 30 frames)."""
    shutil.copytree(originals, tmp_path, dirs_exist_ok=True)
    return tmp_path
