"""`dub --fps`: an output has the source's own frames at their own times, from files to a file."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.cli.conftest import HEIGHT, QUICK, WIDTH, write_wav
from tests.media.clicks import clicks, flash_times
from tests.media.clicks import played as sound_played
from tests.media.conftest import turn_mp4
from xdub_core.heads.drawn_head import make_voice
from xdub_core.media.picture.rgb_conversion import plane_samples
from xdub_core.media.sound.resample import packed_frame
from xdub_core.media.timeline import Extend, shown_slots
from xdub_core.media.video.reader import VideoReader

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


@pytest.mark.parametrize("extend", ["bounce", "loop", "hold"])
def test_a_source_of_60_is_made_longer_at_60(run, tmp_path, extend):
    source = constant(tmp_path / "in.mp4", 60, 45)
    out = dub(run, tmp_path, source, "--extend", extend, seconds=1.0)
    (before, _), (after, now) = played(source), played(out)
    assert now == [Fraction(number, 60) for number in range(60)]
    assert_same_around_the_face(before[shown_slots(45, 60, Extend(extend))], after)


def test_the_preview_has_the_same_times(run, tmp_path):
    ticks = np.concatenate([[0], np.cumsum(np.random.default_rng(5).integers(8, 70, 20))])
    source = write_source(tmp_path / "in.mkv", ticks, Fraction(1, 1000), 30, last=50)
    out = dub(run, tmp_path, source, "--length", "source", "--preview")
    assert played(out.with_suffix(".preview.mp4"))[1] == played(out)[1]


def test_flash_and_click_stay_together_at_any_rate(run, tmp_path):
    """A flash in each second of a film of 59.94, its sound beside it."""
    rate = Fraction(60000, 1001)
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        pictures = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream = container.add_stream("flac", rate=48000)
        stream.codec_context.layout = "mono"
        for number in range(150):
            light = 255 if number in (60, 120) else 0
            frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), light, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        sound = clicks(1, 48000, 2.5, at=[float(number / rate) for number in (60, 120)])
        frame = packed_frame(sound, 48000, "mono")
        frame.pts, frame.time_base = 0, Fraction(1, 48000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = tmp_path / "in.mkv"
    outcome = run(
        "dub", "--video", source, "--audio", source, "--out", tmp_path / "out.mp4", *QUICK[:2], *QUICK[4:],
        "--box", "0,0,64,64",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    flashes = flash_times(tmp_path / "out.mp4")
    assert flashes == pytest.approx([float(number / rate) for number in (60, 120)], abs=1e-4)
    assert sound_played(tmp_path / "out.mp4")[0] == pytest.approx(flashes, abs=0.01)


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (
            lambda path: constant(
                path, Fraction(30000, 1001), 24, codec="libx265", pixel_format="yuv420p10le"
            ),
            "yuv420p10le",
        ),
        (lambda path: constant(path, 50, 40, pixel_format="yuv422p"), "yuv422p"),
    ],
    ids=["10 bits", "4:2:2"],
)
def test_what_the_source_stores_stays_at_its_rate(run, tmp_path, make, kept):
    source = make(tmp_path / "in.mkv")
    voice = write_wav(tmp_path / "voice.wav", make_voice(0.8))
    out = tmp_path / "out.mkv"
    outcome = run(
        "dub",
        "--video",
        source,
        "--audio",
        voice,
        "--out",
        out,
        *QUICK,
        "--codec",
        "ffv1",
        "--length",
        "source",
    )
    assert outcome.code == 0, outcome.err
    with av.open(str(source)) as one, av.open(str(out)) as other:
        for old, new in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert new.format.name == kept
            assert new.time == pytest.approx(old.time, abs=0.0011)
            for place in range(3):
                before, after = (
                    plane_samples(f.planes[place], 10 if "10" in kept else 8) for f in (old, new)
                )
                assert np.array_equal(before[:, -8:], after[:, -8:])
                assert np.array_equal(before[-3:], after[-3:])


@pytest.mark.parametrize("shape", [Fraction(4, 3), Fraction(16, 15)], ids=str)
def test_turned_and_stretched_pictures_at_50(run, tmp_path, shape):
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=50, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 80, 96, "yuv444p"
        stream.codec_context.sample_aspect_ratio = shape
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(picture(number).transpose(1, 0, 2).copy(), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 50)
            container.mux(stream.encode(frame.reformat(format="yuv444p")))
        container.mux(stream.encode(None))
    turn_mp4(source, (0, 1, -1, 0))
    out = dub(run, tmp_path, source, "--length", "source")
    with VideoReader(source) as reader, VideoReader(out) as result:
        assert (result.info.width, result.info.height) == (reader.info.width, reader.info.height) == (96, 80)
        assert result.info.sample_aspect_ratio == reader.info.sample_aspect_ratio == 1 / shape
        frames = zip(reader.frames(range(40)), result.frames(range(40)), strict=True)
        assert all(np.array_equal(old[~INSIDE], new[~INSIDE]) for old, new in frames)
    assert played(out)[1] == [Fraction(number, 50) for number in range(40)]
