"""`dub --fps`: an output has the source's own frames at their own times, from files to a file."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.cli.conftest import HEIGHT, QUICK, WIDTH, write_wav
from xdub_core.heads.drawn_head import make_voice

INSIDE = np.zeros((HEIGHT, WIDTH), bool)
INSIDE[8:72, 16:80] = True
RATES = [
    Fraction(24000, 1001),
    24,
    25,
    Fraction(30000, 1001),
    30,
    50,
    Fraction(60000, 1001),
    60,
    120,
    15,
    Fraction(25, 2),
]
LOSSLESS = ("--codec", "h264", "--quality", "0", "--pixel-format", "yuv444p")


def picture(number):
    """What a source's frame shows: it moves, and its corner holds its number."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    shown = (np.stack([x * 2 + number, y * 2, x + y], axis=-1) % 200 + 20).astype(np.uint8)
    shown[:6, :6] = 10 + 8 * (number % 25), 10 + 8 * (number // 25 % 25), 0
    return shown


def write_source(path, ticks, time_base, rate, codec="libx264", pixel_format="yuv444p", last=None):
    """A video whose frames appear at these ticks of the time base."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate), options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        stream.codec_context.time_base = time_base
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = int(tick), time_base
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            if last is not None and packet.pts == int(ticks[-1]):
                packet.duration = last
            container.mux(packet)
    return path


def constant(path, rate, frames, **how):
    return write_source(path, range(frames), 1 / Fraction(rate), rate, **how)


def played(path):
    """Frames [n, h, w, 3] as stored (no conversion) and their seconds, exactly, as the file states them."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        seconds = [frame.pts * frame.time_base for frame in frames]
        return np.stack([frame.to_ndarray() for frame in frames]), [time - seconds[0] for time in seconds]


def dub(run, folder, source, *more, out="out.mp4", seconds=1.0):
    voice = write_wav(folder / "voice.wav", make_voice(seconds))
    outcome = run("dub", "--video", source, "--audio", voice, "--out", folder / out, *QUICK, *LOSSLESS, *more)
    assert outcome.code == 0, outcome.err
    return folder / out


def assert_same_around_the_face(before, after):
    for old, new in zip(before, after, strict=True):
        planes = old.shape[0] // HEIGHT if old.ndim == 2 else None
        if planes is None:  # [3, h, w] of yuv444p
            assert np.array_equal(old[:, ~INSIDE], new[:, ~INSIDE])
            assert (old[0] != new[0])[INSIDE].mean() > 0.1


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_the_output_has_the_sources_frames_at_their_times(run, tmp_path, rate):
    frames = round(0.8 * rate)
    source = constant(tmp_path / "in.mp4", rate, frames)
    out = dub(run, tmp_path, source, "--length", "source")
    (before, when), (after, now) = played(source), played(out)
    assert now == when == [number / Fraction(rate) for number in range(frames)]
    assert_same_around_the_face(before, after)
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == rate


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".mp4"])
def test_a_source_of_variable_rate_keeps_its_times(run, tmp_path, suffix):
    steps = np.random.default_rng(3).integers(8, 70, 30)
    ticks = np.concatenate([[0], np.cumsum(steps)])
    source = write_source(tmp_path / "in.mkv", ticks, Fraction(1, 1000), 30, last=50)
    out = dub(run, tmp_path, source, "--length", "source", out=f"out{suffix}")
    (before, when), (after, now) = played(source), played(out)
    assert now == when == [Fraction(int(tick), 1000) for tick in ticks]
    assert_same_around_the_face(before, after)


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), 60], ids=str
)
def test_a_rate_that_matroska_rounds_is_exact_again(run, tmp_path, rate):
    source = constant(tmp_path / "in.mkv", rate, 40)
    out = dub(run, tmp_path, source, "--length", "source")
    assert played(out)[1] == [number / Fraction(rate) for number in range(40)]


def test_25_gives_the_models_own_frames(run, tmp_path):
    source = constant(tmp_path / "in.mp4", 50, 40)
    out = dub(run, tmp_path, source, "--length", "source", "--fps", "25")
    (before, _), (after, now) = played(source), played(out)
    assert now == [Fraction(number, 25) for number in range(20)]
    assert_same_around_the_face(before[::2], after)


def test_as_released_has_25_a_second(run, tmp_path):
    source = constant(tmp_path / "in.mp4", 50, 40)
    out = dub(run, tmp_path, source, "--length", "source", "--as-released")
    assert played(out)[1] == [Fraction(number, 25) for number in range(20)]


def test_as_slow_as_the_speech_wants_it(run, tmp_path):
    source = constant(tmp_path / "in.mp4", 30, 30)
    out = dub(run, tmp_path, source, "--extend", "slow", seconds=1.2)
    (before, _), (after, now) = played(source), played(out)
    assert len(after) == 30
    assert np.allclose(np.array(now, float), np.arange(30) * 0.04, atol=1e-4)
    assert_same_around_the_face(before, after)


def test_the_models_own_frames_slowed(run, tmp_path):
    source = constant(tmp_path / "in.mp4", 25, 20)
    out = dub(run, tmp_path, source, "--extend", "slow", "--fps", "25", seconds=0.96)
    (before, _), (after, now) = played(source), played(out)
    shown = [(10 * number + 5) // 12 for number in range(24)]
    assert now == [Fraction(number, 25) for number in range(24)]
    assert_same_around_the_face(before[shown], after)
