"""The writer: codecs, colour, sizes, and outputs that are there whole or not at all."""

import errno
import logging
import os
import shutil
import signal
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError, SettingsError
from xdub_core.media.output.encode_settings import CODECS, CONTAINERS, EncodeSettings
from xdub_core.media.output.output_file import check_output
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.color import LIMITED, ColorTags
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video

FAST = EncodeSettings(preset="ultrafast")


def write(path, pictures, settings=FAST, like=None, fps=25):
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, width, height, fps, settings, like=like) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def read(path):
    with VideoReader(path) as reader:
        return list(reader.frames(range(reader.info.frames)))


def colorful(width=96, height=64):
    colors = np.random.default_rng(5).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.repeat(np.repeat(colors, 16, axis=0), 16, axis=1)


def middles(picture):
    scale = 257.0 if picture.dtype == np.uint16 else 1.0
    return picture[6::16, 6::16].astype(float) / scale


@pytest.mark.parametrize(
    ("codec", "suffix", "stored"),
    [
        ("auto", ".mp4", "h264"),
        ("auto", ".mov", "h264"),
        ("auto", ".mkv", "h264"),
        ("auto", ".webm", "vp9"),
        ("hevc", ".mp4", "hevc"),
        ("vp9", ".mp4", "vp9"),
        ("av1", ".mkv", "av1"),
        ("prores", ".mov", "prores"),
        ("ffv1", ".mkv", "ffv1"),
    ],
)
def test_codecs_and_containers(tmp_path, numbered, shown, codec, suffix, stored):
    settings = EncodeSettings(codec=codec, preset="ultrafast")
    try:
        path = write(tmp_path / f"a{suffix}", numbered(12), settings)
    except MediaError as error:
        pytest.skip(str(error))  # a PyAV without that encoder
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.codec.id == av.codec.Codec(stored, "r").id
    info = probe_video(path)
    assert (info.frames, info.width, info.height) == (12, 96, 64)
    assert info.fps == pytest.approx(25, abs=0.01)
    assert [shown(picture) for picture in read(path)] == list(range(12))


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("h264", ".mp4"),
        ("h264", ".mkv"),
        ("hevc", ".mp4"),
        ("vp9", ".webm"),
        ("av1", ".mp4"),
        ("prores", ".mov"),
        ("ffv1", ".mkv"),
    ],
)
def test_the_same_frames_are_the_same_file(tmp_path, make_click, codec, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (12, 96, 128, 3), dtype=np.uint8)
    sound = AudioTrack(make_click(tmp_path / "a.wav", "pcm_s16le"))
    files = []
    for name in ("first", "second"):
        path = tmp_path / f"{name}{suffix}"
        try:
            with VideoWriter(path, 128, 96, 25, EncodeSettings(codec=codec), sound) as writer:
                for picture in noise:
                    writer.write(picture)
        except MediaError as error:
            pytest.skip(str(error))  # a PyAV without that encoder
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_hevc_in_mp4_has_the_tag_that_apple_needs(tmp_path, numbered):
    path = write(tmp_path / "a.mp4", numbered(2), EncodeSettings(codec="hevc", preset="ultrafast"))
    assert b"hvc1" in path.read_bytes()


def test_mp4_starts_fast(tmp_path, numbered):
    data = write(tmp_path / "a.mp4", numbered(5)).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_ffv1_gives_the_very_same_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 33, 51, 3), dtype=np.uint8)
    back = read(write(tmp_path / "a.mkv", list(noise), EncodeSettings(codec="ffv1")))
    assert np.array_equal(back, noise)


def test_default_quality_is_visually_lossless(tmp_path, media):
    with VideoReader(media / "video.mp4") as reader:
        pictures = list(reader.frames(range(20)))
        path = write(tmp_path / "a.mp4", pictures, EncodeSettings(), like=reader.info)
    difference = np.array(read(path), dtype=float) - np.array(pictures)
    psnr = 10 * np.log10(255**2 / np.mean(difference**2))
    assert psnr > 42


def test_quality_is_obeyed(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), dtype=np.uint8)
    sizes = [
        write(tmp_path / f"{quality}.mp4", list(noise), EncodeSettings(quality=quality)).stat().st_size
        for quality in (10, 40)
    ]
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize(
    "tags", [ColorTags(1, 1, 1, 1), ColorTags(6, 6, 6, 1), ColorTags(5, 1, 5, 2), ColorTags()]
)
@pytest.mark.parametrize("source", ["h264", "ffv1"])
def test_tone_and_tags_go_through(tmp_path, make_video, tags, source):
    picture = colorful()
    options = {"crf": "1"} if source == "h264" else {}
    codec = "libx264" if source == "h264" else "ffv1"
    first = make_video(tmp_path / "in.mkv", [picture] * 4, codec=codec, options=options, tags=tags)
    info = probe_video(first)
    read_back = read(first)[1]
    assert np.abs(middles(read_back) - middles(picture)).max() <= 3
    second = write(tmp_path / "out.mp4", [read_back] * 4, EncodeSettings(quality=1), like=info)
    assert np.abs(middles(read(second)[1]) - middles(read_back)).max() <= 3
    written = probe_video(second).color
    assert (written.matrix, written.transfer, written.primaries) == (
        tags.matrix,
        tags.transfer,
        tags.primaries,
    )
    assert (written.range or LIMITED) == (info.color.range or LIMITED)


def test_a_source_of_ten_bits_stays_ten_bits(tmp_path, make_video):
    ramp = np.broadcast_to(np.linspace(0, 65535, 96)[None, :, None], (64, 96, 3)).astype(np.uint16)
    source = make_video(tmp_path / "in.mkv", [ramp] * 3, pixel_format="yuv420p10le", options={"crf": "0"})
    info = probe_video(source)
    assert info.bit_depth == 10
    path = write(tmp_path / "out.mp4", read(source), EncodeSettings(preset="ultrafast", quality=4), like=info)
    written = probe_video(path)
    assert (written.codec, written.bit_depth) == ("hevc", 10)
    assert np.abs(read(path)[1].astype(float) - ramp).max() < 3 * 257
    assert len(np.unique(read(path)[1])) > 90


def test_ten_bits_to_plain_h264_says_so(tmp_path, make_video, numbered, caplog):
    source = make_video(tmp_path / "in.mkv", numbered(2), pixel_format="yuv420p10le")
    with caplog.at_level(logging.WARNING):
        path = write(
            tmp_path / "out.mp4",
            read(source),
            EncodeSettings(codec="h264", preset="ultrafast"),
            like=probe_video(source),
        )
    assert "8 bits" in caplog.text
    assert probe_video(path).bit_depth == 8


def test_h264_with_ten_bits_where_asked(tmp_path, numbered):
    path = write(
        tmp_path / "a.mp4", numbered(2), EncodeSettings(codec="h264", bit_depth=10, preset="ultrafast")
    )
    assert probe_video(path).pixel_format == "yuv420p10le"


def test_odd_sizes_are_padded_by_repetition(tmp_path, caplog):
    picture = np.pad(colorful(96, 64), ((0, 1), (0, 1), (0, 0)), mode="edge")
    with caplog.at_level(logging.INFO):
        path = write(tmp_path / "a.mp4", [picture] * 3)
    assert "padded by repetition to 98x66" in caplog.text
    back = read(path)[1]
    assert back.shape == (66, 98, 3)
    assert np.abs(back[:, 97].astype(int) - back[:, 96]).mean() < 6


def test_odd_sizes_stay_odd_with_full_chroma(tmp_path):
    path = write(
        tmp_path / "a.mp4", [np.zeros((33, 51, 3), np.uint8)] * 2, EncodeSettings(pixel_format="yuv444p")
    )
    assert (probe_video(path).width, probe_video(path).height) == (51, 33)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pixel_shape_goes_through(tmp_path, make_video, numbered, suffix):
    source = make_video(tmp_path / "in.mp4", numbered(3), sample_aspect_ratio=Fraction(4, 3))
    path = write(tmp_path / f"out{suffix}", numbered(3), like=probe_video(source))
    assert probe_video(path).sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize(("codec", "suffix"), [(name, suffix) for name in CODECS for suffix in CONTAINERS])
def test_where_pixels_must_be_square_a_warning_says_so(tmp_path, make_video, numbered, caplog, codec, suffix):
    if suffix not in CODECS[codec].suffixes:
        return
    source = make_video(tmp_path / "in.mp4", numbered(1), sample_aspect_ratio=Fraction(4, 3))
    settings = EncodeSettings(codec=codec, preset="ultrafast")
    try:
        path = write(tmp_path / f"out{suffix}", numbered(1), settings, like=probe_video(source))
    except MediaError as error:
        pytest.skip(str(error))  # a PyAV without that encoder
    kept = probe_video(path).sample_aspect_ratio == Fraction(4, 3)
    assert ("not square" in caplog.text) is not kept


def test_what_a_container_refuses_shows_before_the_first_frame(tmp_path, make_click, monkeypatch):
    """FFmpeg does not put MP3 below 16 kHz into .mp4; the writer finds that out, and here it is kept from trying."""
    monkeypatch.setattr("xdub_core.media.output.audio_packets._can_begin", lambda container, stream: True)
    sound = AudioTrack(make_click(tmp_path / "a.mp3", "libmp3lame", rate=11025))
    with pytest.raises(MediaError, match="another codec or container"):
        VideoWriter(tmp_path / "a.mp4", 96, 64, settings=FAST, audio=sound).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp3"]


def test_a_turned_source_is_written_upright(tmp_path, make_video, numbered, turn):
    source = turn(make_video(tmp_path / "in.mp4", numbered(3)), (0, 1, -1, 0))
    pictures = read(source)
    path = write(tmp_path / "out.mp4", pictures, like=probe_video(source))
    written = probe_video(path)
    assert (written.width, written.height, written.rotation) == (64, 96, 0)
    assert np.abs(read(path)[1].astype(int) - pictures[1]).mean() < 4


def test_other_frame_rates(tmp_path, numbered):
    path = write(tmp_path / "a.mp4", numbered(30), fps=Fraction(30000, 1001))
    assert probe_video(path).fps == pytest.approx(30000 / 1001)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9"])
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_videos(tmp_path, numbered, codec, frames):
    for attempt in range(4):  # x265's decoding times are random there
        path = write(
            tmp_path / f"{attempt}.mp4", numbered(frames), EncodeSettings(codec=codec, preset="ultrafast")
        )
        info = probe_video(path)
        assert (info.frames, info.duration) == (frames, pytest.approx(0.04 * frames))
        assert info.start < 0.1


def test_wrong_frames_are_refused(tmp_path):
    for frame in (np.zeros((64, 95, 3), np.uint8), np.zeros((64, 96, 3), np.float32)):
        with pytest.raises(ValueError, match="is due"):
            write(tmp_path / "a.mp4", [np.zeros((64, 96, 3), np.uint8), frame])
    assert list(tmp_path.iterdir()) == []


class TestWholeOrNotAtAll:
    def test_nothing_is_at_the_output_until_the_end(self, tmp_path, numbered):
        path = tmp_path / "a.mp4"
        path.write_text("older")
        with VideoWriter(path, 96, 64, settings=FAST) as writer:
            for picture in numbered(5):
                writer.write(picture)
            assert path.read_text() == "older"
            hidden = [other.name for other in tmp_path.iterdir() if other != path]
            assert len(hidden) == 1 and hidden[0].startswith(".")
        assert probe_video(path).frames == 5
        assert [other.name for other in tmp_path.iterdir()] == ["a.mp4"]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_errors_leave_no_trace(self, tmp_path, numbered, error):
        path = tmp_path / "a.mp4"
        path.write_text("older")
        with pytest.raises(error), VideoWriter(path, 96, 64, settings=FAST) as writer:
            for picture in numbered(5):
                writer.write(picture)
            raise error
        assert path.read_text() == "older"
        assert [other.name for other in tmp_path.iterdir()] == ["a.mp4"]

    def test_a_file_that_appears_meanwhile_is_kept_and_so_is_the_finished_one(self, tmp_path, numbered):
        path = tmp_path / "a.mp4"
        with (
            pytest.raises(MediaError, match="appeared there meanwhile") as caught,
            VideoWriter(path, 96, 64, settings=FAST, overwrite=False) as writer,
        ):
            writer.write(numbered(1)[0])
            path.write_text("other")
        assert path.read_text() == "other"
        (hidden,) = [other for other in tmp_path.iterdir() if other != path]
        assert str(hidden) in str(caught.value)
        assert probe_video(hidden).frames == 1

    def test_a_free_name_is_taken_without_overwriting(self, tmp_path, numbered):
        path = tmp_path / "a.mp4"
        with VideoWriter(path, 96, 64, settings=FAST, overwrite=False) as writer:
            writer.write(numbered(1)[0])
        assert [other.name for other in tmp_path.iterdir()] == ["a.mp4"]
        assert probe_video(path).frames == 1

    def test_an_output_that_cannot_be_put_in_place_is_kept_under_its_hidden_name(self, tmp_path, numbered):
        path = tmp_path / "a.mp4"
        with (
            pytest.raises(MediaError, match="cannot be written") as caught,
            VideoWriter(path, 96, 64, settings=FAST) as writer,
        ):
            writer.write(numbered(1)[0])
            path.mkdir()
        (hidden,) = [other for other in tmp_path.iterdir() if other != path]
        assert str(hidden) in str(caught.value)
        assert probe_video(hidden).frames == 1

    def test_no_frames_is_an_error(self, tmp_path):
        with pytest.raises(MediaError, match="no frame"), VideoWriter(tmp_path / "a.mp4", 96, 64):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_the_file_is_readable_as_others_are(self, tmp_path, numbered):
        plain = tmp_path / "plain"
        plain.touch()
        path = write(tmp_path / "a.mp4", numbered(1))
        assert path.stat().st_mode == plain.stat().st_mode

    def test_a_links_target_is_replaced(self, tmp_path, numbered):
        (tmp_path / "real").mkdir()
        link = tmp_path / "a.mp4"
        link.symlink_to(tmp_path / "real" / "b.mp4")
        write(link, numbered(2))
        assert link.is_symlink() and probe_video(tmp_path / "real" / "b.mp4").frames == 2

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
    def test_a_full_disk(self, tmp_path, suffix):
        place = tmp_path / "small"
        place.mkdir()
        mount = shutil.which("mount")
        done = subprocess.run(
            [mount or "false", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"cannot mount a small disk here ({done.stderr.decode().strip()})")
        try:
            self._fill(place / f"a{suffix}", errno.ENOSPC)
            assert list(place.iterdir()) == []
        finally:
            subprocess.run(["umount", str(place)], check=True)

    def test_a_file_over_the_limit(self, tmp_path):
        resource = pytest.importorskip("resource")
        before, handler = (
            resource.getrlimit(resource.RLIMIT_FSIZE),
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        )
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
            self._fill(tmp_path / "a.mp4", errno.EFBIG)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert list(tmp_path.iterdir()) == []

    def _fill(self, path, code):
        noise = np.random.default_rng(0).integers(0, 256, (60, 128, 192, 3), dtype=np.uint8)
        with pytest.raises(MediaError, match="disk space") as caught:
            write(path, list(noise), EncodeSettings(preset="ultrafast", quality=1))
        assert os.strerror(code) in str(caught.value)
        assert "\n" not in str(caught.value)


class TestBeforeTheWork:
    def test_a_good_output_passes_and_leaves_nothing(self, tmp_path):
        check_output(tmp_path / "a.mp4")
        assert list(tmp_path.iterdir()) == []

    def test_bad_outputs_are_named(self, tmp_path, make_video, numbered):
        source = make_video(tmp_path / "in.mp4", numbered(2))
        link = tmp_path / "link.mp4"
        link.symlink_to(source)
        cases = {
            tmp_path / "a.xyz": r"\.mp4, \.mov, \.mkv, \.webm",
            tmp_path / "a": "output files end in",
            tmp_path / "absent" / "a.mp4": "folder does not exist",
            source: "its own input",
            link: "its own input",
        }
        for path, words in cases.items():
            with pytest.raises(MediaError, match=words):
                check_output(path, [source])

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        place = tmp_path / "readonly.mp4"
        place.mkdir()
        with pytest.raises(MediaError, match="this is a folder"):
            check_output(place)
        with pytest.raises(MediaError, match="cannot write into this folder"):
            check_output("/proc/a.mp4")

    @pytest.mark.parametrize(
        "values",
        [
            {"codec": "mpeg1"},
            {"quality": 99},
            {"quality": 5, "codec": "ffv1"},
            {"preset": "swift"},
            {"bit_depth": 9},
            {"audio": "no"},
            {"pixel_format": "rgb"},
            {"audio_bitrate": 10},
        ],
    )
    def test_settings_out_of_range(self, values):
        with pytest.raises(SettingsError):
            EncodeSettings(**values)

    @pytest.mark.parametrize(("codec", "suffix"), [("h264", ".webm"), ("prores", ".mp4"), ("ffv1", ".mp4")])
    def test_codecs_that_a_container_cannot_hold(self, tmp_path, codec, suffix):
        with pytest.raises(SettingsError, match="cannot hold"):
            VideoWriter(tmp_path / f"a{suffix}", 96, 64, settings=EncodeSettings(codec=codec))
