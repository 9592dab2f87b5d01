"""Files that other people's reports led to, through the command line: one test for each, measured in what comes out.

The files and what is right of each are described in the README beside them. Everything is measured with PyAV: times
are the ones that a player would use.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

pytestmark = pytest.mark.media

QUICK = (
    "--model", "untrained", "--box", "96,64,224,192", "--crop-size", "32", "--clip-frames", "13", "--steps", "1",
    "--preset", "ultrafast", "--device", "cpu",
)  # fmt: skip
CONTAINERS = (".mp4", ".webm", ".mov", ".mkv")
CLICKS = (0.5, 1.5)
CLICK_TOLERANCE = 0.02
"""Seconds; an Opus or AAC encoder smears a click by a few milliseconds."""
AAC_FRAME = 0.065
"""Seconds by which sound that was encoded may run on: the encoder's last frame at 16 kHz."""


@pytest.fixture(scope="module")
def odd(media: Path) -> Path:
    folder = media / "odd"
    if not folder.is_dir():
        pytest.skip(f"the odd files are not there: {folder}")
    return folder


@dataclass(frozen=True)
class Measured:
    """An output: its picture's and its sound's length in seconds, and when clicks begin."""

    picture: float
    sound: float
    clicks: tuple[float, ...]


def measured(path: Path) -> Measured:
    with av.open(str(path)) as file:
        shown = [(frame.time, frame) for frame in file.decode(video=0)]
    picture = shown[-1][0] + 1 / 25
    samples, rate = sound_of(path)
    return Measured(picture, len(samples) / rate, onsets(samples, rate))


def sound_of(path: Path) -> tuple[np.ndarray, int]:
    """The sound's first channel, mixed of all, on the file's clock: silence where there is none."""
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    rate = frames[0].rate
    samples = np.zeros(max(round(frame.time * rate) + frame.samples for frame in frames), np.float32)
    resampler = av.AudioResampler("fltp", "mono", rate)
    for frame in frames:
        start = round(frame.time * rate)
        for mono in resampler.resample(frame):
            block = mono.to_ndarray()[0]
            skipped = max(0, -start)
            samples[start + skipped : start + len(block)] = block[skipped : len(samples) - start]
    return samples, rate


def onsets(samples: np.ndarray, rate: int, quiet: float = 0.2) -> tuple[float, ...]:
    """When sounds of over a third of the loudest begin after `quiet` seconds without any."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() / 3)
    first = np.concatenate([[True], np.diff(loud) > quiet * rate])
    return tuple((loud[first] / rate).tolist())


def frames_of(path: Path, pixels: str = "gray") -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as file:
        return [(frame.time, frame.to_ndarray(format=pixels)) for frame in file.decode(video=0)]


@pytest.fixture
def dub(run, tmp_path, odd, caplog):
    """Dub with files of the folder, which must succeed; gives the output's path and the warnings."""

    def call(*more, video="base.mp4", audio="click.wav", out="out.mp4"):
        path = tmp_path / out
        outcome = run("dub", "--video", odd / video, "--audio", odd / audio, "--out", path, *QUICK, *more)
        assert outcome.code == 0, outcome.err
        assert [entry.name for entry in tmp_path.iterdir()] == [out]
        return path, [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    return call


@pytest.mark.parametrize("out", [f"out{suffix}" for suffix in CONTAINERS])
@pytest.mark.parametrize("audio", ["click.wav", "ch8.wav", "a71.flac"])
def test_clicks_of_any_number_of_channels_stay_where_they_are(dub, audio, out):
    path, _ = dub(audio=audio, out=out)
    result = measured(path)
    assert result.picture == pytest.approx(2.0, abs=0.001)
    assert result.sound == pytest.approx(2.0, abs=AAC_FRAME)
    assert result.clicks == pytest.approx(CLICKS, abs=CLICK_TOLERANCE)


def test_joined_mp3_files_are_heard_whole_with_one_warning(dub):
    path, warned = dub(audio="el2.mp3")
    result = measured(path)
    assert result.picture == pytest.approx(4.05, abs=0.1)
    assert result.sound == pytest.approx(4.05, abs=0.1)
    assert len(warned) == 1
    assert "el2.mp3" in warned[0]


@pytest.mark.parametrize("out", [f"out{suffix}" for suffix in CONTAINERS])
def test_chained_opus_streams_are_heard_and_written_whole(dub, out):
    path, _ = dub(audio="chained.opus", out=out)
    result = measured(path)
    assert result.picture == pytest.approx(4.0, abs=0.05)
    assert result.sound == pytest.approx(4.0, abs=0.05)


def test_flash_and_click_of_a_recording_with_a_picture_stay_together(dub):
    path, _ = dub(video="sA.mp4", audio="sA.mp4")
    flash = next(time for time, picture in frames_of(path) if picture[:48].mean() > 200)
    click = measured(path).clicks[0]
    assert flash == pytest.approx(2.0, abs=0.001)
    assert click == pytest.approx(flash, abs=0.02)


def test_the_containers_pixel_shape_is_kept(dub):
    path, _ = dub(video="sarmp4only.mp4")
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (320, 240)
        assert stream.sample_aspect_ratio == Fraction(3, 2)


def test_a_bare_stream_is_as_long_as_its_own_rate_says(dub):
    path, _ = dub("--length", "source", video="raw30.h264")
    assert measured(path).picture == pytest.approx(2.0, abs=0.041)


def test_a_damaged_frame_costs_one_warning_and_no_more(dub):
    path, warned = dub("--length", "source", video="dmg.mp4")
    assert measured(path).picture == pytest.approx(4.0, abs=0.001)
    assert len(warned) == 1
    assert "dmg.mp4" in warned[0]
    assert any(character.isdigit() for character in warned[0].replace("dmg.mp4", ""))


def test_the_video_that_players_show_is_dubbed(dub, odd):
    path, _ = dub("--length", "source", video="two.mp4")
    with av.open(str(odd / "two.mp4")) as file:
        expected = next(file.decode(video=1)).to_ndarray(format="gray")
    _, shown = frames_of(path)[0]
    assert shown.shape == expected.shape == (240, 320)
    outside = np.ones(shown.shape, bool)
    outside[60:196, 92:228] = False
    assert np.abs(shown[outside].astype(int) - expected[outside]).mean() < 4


def test_super_blacks_and_super_whites_come_out_as_they_are(dub, odd):
    path, _ = dub("--length", "source", "--quality", "1", video="sw.mp4")
    source, result = luma(odd / "sw.mp4"), luma(path)
    outside = np.ones(source.shape[1:], bool)
    outside[60:196, 92:228] = False
    assert source[:, outside].min() < 5
    assert source[:, outside].max() > 250
    assert np.abs(source[:, outside].astype(int) - result[:, outside]).max() <= 3  # encoded again


def luma(path: Path) -> np.ndarray:
    """The luma of every frame as it is coded [frames, H, W]."""
    planes = []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            plane = frame.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            planes.append(rows[:, : plane.width].copy())
    return np.stack(planes)
