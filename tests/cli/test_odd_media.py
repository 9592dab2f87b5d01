"""The files that other people's reports led to, from file to file; a README beside them says what is right of each."""

import logging
import os
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.cli.conftest import QUICK, write_wav
from tests.media.clicks import AT, CONTAINERS, played
from xdub_core.heads.drawn_head import make_voice
from xdub_core.media.video.video_info import probe_video

BOX = QUICK.index("--box")
OPTIONS = (*QUICK[:BOX], *QUICK[BOX + 2 :], "--box", "10,10,74,74")
SOURCE_LENGTH = ("--length", "source")


def dub(run, video, folder, *more, out="out.mp4"):
    """A video as long as it is, with a voice."""
    voice = write_wav(folder / "voice.wav", make_voice(0.6))
    return run(
        "dub", "--video", video, "--audio", voice, "--out", folder / out, *OPTIONS, *SOURCE_LENGTH, *more
    )


def dub_with(run, media, audio, out):
    """A plain video with one of the recordings."""
    odd = media / "odd"
    outcome = run("dub", "--video", odd / "base.mp4", "--audio", odd / audio, "--out", out, *OPTIONS)
    assert outcome.code == 0, outcome.err


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.media
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_clicks_of_eight_channels_stay_where_they_are(run, media, tmp_path, suffix):
    dub_with(run, media, "ch8.wav", tmp_path / f"out{suffix}")
    times, end = played(tmp_path / f"out{suffix}")
    assert times == pytest.approx(AT, abs=0.02)
    assert end == pytest.approx(2.0, abs=0.065)  # AAC's last frame at 16 kHz
    assert probe_video(tmp_path / f"out{suffix}").duration == pytest.approx(2.0, abs=0.001)


@pytest.mark.media
@pytest.mark.parametrize(("name", "seconds", "complaints"), [("el2.mp3", 4.05, 1), ("chained.opus", 4.0, 0)])
def test_joined_recordings_are_heard_whole(run, media, tmp_path, caplog, name, seconds, complaints):
    dub_with(run, media, name, tmp_path / "out.mp4")
    assert probe_video(tmp_path / "out.mp4").duration == pytest.approx(seconds, abs=0.1)
    assert played(tmp_path / "out.mp4")[1] == pytest.approx(seconds, abs=0.1)
    assert len(warnings(caplog)) == complaints
    assert all(name in message for message in warnings(caplog))


@pytest.mark.media
def test_a_damaged_video_is_dubbed_whole_with_one_warning(run, media, tmp_path, caplog):
    outcome = dub(run, media / "odd" / "dmg.mp4", tmp_path, "--preview")
    assert outcome.code == 0, outcome.err
    assert probe_video(tmp_path / "out.mp4").frames == probe_video(tmp_path / "out.preview.mp4").frames == 100
    (message,) = warnings(caplog)
    assert "1 of 100 frames cannot be decoded" in message and "frame 53 at 2.12 s" in message


@pytest.mark.media
@pytest.mark.parametrize(
    ("name", "size", "seconds", "shape"),
    [
        ("raw30.h264", (320, 240), 2.0, Fraction(1)),
        ("sarmp4only.mp4", (320, 240), 2.0, Fraction(3, 2)),
        ("two.mp4", (320, 240), 2.0, Fraction(1)),
    ],
)
def test_rate_shape_and_stream_are_as_players_have_them(run, media, tmp_path, name, size, seconds, shape):
    outcome = dub(run, media / "odd" / name, tmp_path)
    assert outcome.code == 0, outcome.err
    info = probe_video(tmp_path / "out.mp4")
    assert (info.width, info.height) == size
    assert info.duration == pytest.approx(seconds, abs=0.001)
    assert info.sample_aspect_ratio == shape


@pytest.mark.media
def test_another_stream_can_be_chosen(run, media, tmp_path):
    outcome = dub(run, media / "odd" / "two.mp4", tmp_path, "--video-stream", "0")
    assert outcome.code == 0, outcome.err
    assert probe_video(tmp_path / "out.mp4").width == 160
    outcome = dub(run, media / "odd" / "two.mp4", tmp_path, "--video-stream", "2", out="other.mp4")
    assert outcome.code == 2 and "no video stream 2" in outcome.err


def test_numbered_pictures(run, tmp_path):
    for number in range(7, 17):
        context = av.CodecContext.create("png", "w")
        context.width, context.height, context.pix_fmt = 96, 80, "rgb24"
        context.time_base = Fraction(1, 25)
        picture = np.full((80, 96, 3), 10 * number, np.uint8)
        packets = context.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        data = b"".join(bytes(packet) for packet in [*packets, *context.encode(None)])
        (tmp_path / f"shot{number:03d}.png").write_bytes(data)
    outcome = dub(run, tmp_path / "shot%03d.png", tmp_path)
    assert outcome.code == 0, outcome.err
    assert probe_video(tmp_path / "out.mp4").frames == 10
    outcome = dub(run, tmp_path, tmp_path, out="other.mp4")
    assert outcome.code == 2 and "shot%03d.png" in outcome.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("which", ["--video", "--audio"])
def test_a_named_pipe_is_refused_at_once(run, files, which):
    os.mkfifo(files / "pipe.mp4")
    inputs = {"--video": files / "video.mp4", "--audio": files / "voice.wav", which: files / "pipe.mp4"}
    arguments = [value for pair in inputs.items() for value in pair]
    outcome = run("dub", *arguments, "--out", files / "out.mp4", *OPTIONS)
    assert outcome.code == 2 and "a pipe" in outcome.err
    assert not (files / "out.mp4").exists()
