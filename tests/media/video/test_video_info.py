"""Probing: the truth about a file, whatever its headers say."""

import logging
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.picture.color import ColorTags
from xdub_core.media.picture.orientation import Orientation, display_matrix, orientation_from_matrix
from xdub_core.media.video.video_info import probe_video, scan_video


def test_facts_of_a_plain_video(tmp_path, make_video, numbered):
    info = probe_video(make_video(tmp_path / "a.mp4", numbered(30), tags=ColorTags(1, 1, 1, 1)))
    assert (info.width, info.height, info.frames, info.codec, info.bit_depth) == (96, 64, 30, "h264", 8)
    assert info.fps == pytest.approx(25)
    assert info.duration == pytest.approx(1.2)
    assert info.color == ColorTags(1, 1, 1, 1)
    assert info.rotation == 0 and info.audio_start is None and info.sample_aspect_ratio == 1


@pytest.mark.media
def test_the_real_test_video(media):
    info = probe_video(media / "video.mp4")
    assert (info.width, info.height, info.frames) == (450, 660, 127)
    assert info.duration == pytest.approx(5.08)


@pytest.mark.parametrize(
    ("matrix", "rotation", "mirrored"),
    [
        ((0, 1, -1, 0), 90, False),
        ((-1, 0, 0, -1), 180, False),
        ((0, -1, 1, 0), 270, False),
        ((-1, 0, 0, 1), 0, True),
    ],
)
def test_rotation_is_read_and_the_size_is_the_displayed_one(
    tmp_path, make_video, numbered, turn, matrix, rotation, mirrored
):
    info = probe_video(turn(make_video(tmp_path / "a.mp4", numbered(3)), matrix))
    assert (info.rotation, info.mirrored) == (rotation, mirrored)
    assert (info.width, info.height) == ((64, 96) if rotation in (90, 270) else (96, 64))


@pytest.mark.parametrize(
    ("matrix", "rotation"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 90), ((-1, 0, 0, -1), 180), ((0, -1, 1, 0), 270)],
)
def test_side_data_that_pyav_does_not_know_hides_no_rotation(
    tmp_path, make_video, numbered, turn, matrix, rotation
):
    class Newer:
        """A frame with side data of a kind that PyAV has no name for."""

        def __init__(self, frame):
            self.rotation = frame.rotation

        @property
        def side_data(self):
            raise ValueError("31 is not a valid Type")

    with av.open(str(turn(make_video(tmp_path / "a.mp4", numbered(3)), matrix))) as container:
        data = display_matrix(Newer(next(container.decode(video=0))))
    found = Orientation() if data is None else orientation_from_matrix(data)
    assert (found.rotation, found.mirrored) == (rotation, False)


def test_pixel_shape_follows_the_rotation(tmp_path, make_video, numbered, turn):
    path = make_video(tmp_path / "a.mp4", numbered(3), sample_aspect_ratio=Fraction(4, 3))
    assert probe_video(path).sample_aspect_ratio == Fraction(4, 3)
    assert probe_video(turn(path, (0, 1, -1, 0))).sample_aspect_ratio == Fraction(3, 4)


def test_variable_rate_and_late_start(tmp_path, make_video, numbered):
    pts = [500, 540, 700, 720, 1000]
    index = scan_video(make_video(tmp_path / "a.mkv", numbered(5), pts=pts, time_base=Fraction(1, 1000)))
    assert index.index.seconds.tolist() == pytest.approx([0, 0.04, 0.2, 0.22, 0.5])
    assert index.info.start == pytest.approx(0.5)


def test_b_frames_are_put_in_the_order_shown(long_group):
    index = scan_video(long_group).index
    assert len(index) == 120
    assert np.allclose(np.diff(index.seconds), 0.04)
    assert index.keyframes.tolist() == [0]


def test_a_header_that_promises_more_frames_than_there_are(tmp_path, make_video, numbered, caplog):
    # Lossless noise, so that cutting the file cuts frames.
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3), dtype=np.uint8)
    path = make_video(tmp_path / "a.mp4", list(noise), options={"g": "1"})
    whole = path.read_bytes()
    moov = whole[whole.index(b"moov") - 4 :]
    media_start = whole.index(b"mdat") - 4
    # The header goes to the front, as in a download that broke off: chunk offsets move by its length.
    moved = bytearray(moov)
    at = moved.index(b"stco")
    for entry in range(struct.unpack(">I", moved[at + 8 : at + 12])[0]):
        place = at + 12 + 4 * entry
        offset = struct.unpack(">I", moved[place : place + 4])[0]
        moved[place : place + 4] = struct.pack(">I", offset + len(moov))
    body = whole[media_start : len(whole) - len(moov)]
    path.write_bytes(whole[:media_start] + moved + body[: int(len(body) * 0.52)])
    with caplog.at_level(logging.INFO):
        info = probe_video(path)
    assert info.frames == 10
    assert info.duration == pytest.approx(0.4)
    assert "the header promises 20 frames, the file holds 10" in caplog.text


def test_a_raw_stream_without_timestamps_is_counted_by_decoding(tmp_path, make_video, numbered):
    info = probe_video(
        make_video(tmp_path / "a.h264", numbered(30), options={"preset": "veryfast", "bf": "3"})
    )
    assert info.frames == 30
    assert info.duration == pytest.approx(1.2, abs=0.05)


def test_hidden_frames_of_vp8_do_not_count(tmp_path, make_video, numbered):
    if "libvpx" not in av.codecs_available:
        pytest.skip("PyAV was built without VP8's encoder")
    options = {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "300k"}
    assert (
        probe_video(make_video(tmp_path / "a.webm", numbered(60), codec="libvpx", options=options)).frames
        == 60
    )


def test_cover_art_is_not_the_video(tmp_path, make_click):
    sound = make_click(tmp_path / "a.mp3", "libmp3lame")
    picture = b"image/png\0\x03\0" + _png()
    frame = b"APIC" + struct.pack(">I", len(picture) + 1) + b"\0\0" + b"\0" + picture
    size = len(frame)
    header = b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    data = sound.read_bytes()
    tag = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    sound.write_bytes(header + frame + (data[tag:] if data[:3] == b"ID3" else data))
    with av.open(str(sound)) as container:
        assert container.streams.video, "the test's file has no cover art"
    with pytest.raises(MediaError, match="no video in this file, only audio"):
        probe_video(sound)


def _png() -> bytes:
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 16, 16, "rgb24", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def test_what_is_no_video_is_named_in_one_line(tmp_path, make_click):
    text = tmp_path / "notes.mp4"
    text.write_text("not a video\n" * 50)
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(1).bytes(5000))
    empty = tmp_path / "empty.mp4"
    empty.touch()
    cases = {
        text: "not a readable",
        noise: "not a readable",
        empty: "not a readable",
        tmp_path / "absent.mp4": "no such file",
        tmp_path: "folder",
        make_click(tmp_path / "sound.wav", "pcm_s16le"): "only audio",
    }
    for path, words in cases.items():
        with pytest.raises(MediaError, match=words) as caught:
            probe_video(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_mp4_without_its_index_broke_off(tmp_path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(20))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 20])
    with pytest.raises(MediaError, match="broke off before its index") as caught:
        probe_video(path)
    assert "\n" not in str(caught.value)


def test_a_video_without_one_decodable_frame(tmp_path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(20))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="no frame of this video can be decoded"):
        probe_video(path)
