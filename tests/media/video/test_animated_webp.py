"""Animated WebP: frames on their canvas, at their times."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video, scan_video

pytestmark = pytest.mark.skipif("libwebp" not in av.codecs_available, reason="PyAV without WebP's encoder")

OVERWRITE, CLEAR = 2, 1
WIDTH, HEIGHT = 40, 24


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def u24(*numbers):
    return b"".join(number.to_bytes(3, "little") for number in numbers)


def encoded(picture):
    """The chunks of a lossless still WebP of an RGBA picture."""
    context = av.CodecContext.create("libwebp", "w")
    context.height, context.width = picture.shape[:2]
    context.pix_fmt, context.time_base, context.options = "bgra", Fraction(1, 25), {"lossless": "1"}
    frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="bgra")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])[12:]


def flat(width, height, *rgba):
    return np.full((height, width, 4), rgba, np.uint8)


def write_webp(path, frames):
    """Frames are (picture, x, y, milliseconds, flags)."""
    body = chunk(b"VP8X", b"\x12\0\0\0" + u24(WIDTH - 1, HEIGHT - 1))
    body += chunk(b"ANIM", bytes(6))
    for picture, x, y, milliseconds, flags in frames:
        height, width = picture.shape[:2]
        header = u24(x // 2, y // 2, width - 1, height - 1, milliseconds) + bytes([flags])
        body += chunk(b"ANMF", header + encoded(picture))
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body)
    return path


RED, GREEN, BLUE = (200, 0, 0, 255), (0, 200, 0, 255), (0, 0, 200, 255)


@pytest.fixture
def animation(tmp_path):
    whole = flat(WIDTH, HEIGHT, *RED)
    return write_webp(
        tmp_path / "a.webp",
        [
            (whole, 0, 0, 40, OVERWRITE),
            (flat(8, 6, *GREEN), 4, 2, 80, CLEAR),
            (flat(8, 6, 0, 0, 200, 128), 20, 10, 120, 0),
            (flat(WIDTH, HEIGHT, *BLUE), 0, 0, 5, OVERWRITE),
            (flat(2, 2, *GREEN), 38, 22, 40, OVERWRITE),
        ],
    )


def test_frames_are_drawn_on_their_canvas(animation):
    with VideoReader(animation) as reader:
        first, second, third, fourth, fifth = reader.frames(range(5))
    assert first.shape == (HEIGHT, WIDTH, 3) and (first == RED[:3]).all()
    assert (second[2:8, 4:12] == GREEN[:3]).all() and (second[8:] == RED[:3]).all()
    assert (third[2:8, 4:12] == 0).all()  # cleared
    assert np.abs(third[12, 24].astype(int) - (100, 0, 100)).max() <= 1  # half red, half blue
    assert (third[:2] == RED[:3]).all()
    assert (fourth == BLUE[:3]).all()
    assert (fifth[22:, 38:] == GREEN[:3]).all() and (fifth[:22] == BLUE[:3]).all()


def test_any_order_gives_the_same(animation):
    order = [4, 3, 2, 1, 0, 2, 2, 4, 1]
    with VideoReader(animation) as reader:
        straight = list(reader.frames(range(5)))
        assert all(
            np.array_equal(frame, straight[number])
            for frame, number in zip(reader.frames(order), order, strict=True)
        )


def test_times_are_the_frames_own(animation):
    scanned = scan_video(animation)
    # 5 ms count for 100, as in browsers.
    assert scanned.index.seconds.tolist() == pytest.approx([0, 0.04, 0.12, 0.24, 0.34])
    assert scanned.info.duration == pytest.approx(0.38)
    assert scanned.info.codec == "webp"


def test_transparency_is_seen_where_it_is(animation, tmp_path, caplog):
    assert probe_video(animation).has_alpha is False  # as far as frames that are quick to decode tell
    with VideoReader(animation) as reader:
        list(reader.frames(range(5)))
    assert "transparency" in caplog.text
    clear = write_webp(tmp_path / "b.webp", [(flat(8, 6, *GREEN), 4, 2, 40, 0)])
    assert probe_video(clear).has_alpha


def test_a_cut_file_keeps_its_whole_frames(animation):
    data = animation.read_bytes()
    animation.write_bytes(data[:-20])
    assert probe_video(animation).frames == 4


def test_a_damaged_frame_leaves_the_canvas(animation, caplog):
    data = bytearray(animation.read_bytes())
    at = data.index(b"VP8L", data.index(b"ANMF", data.index(b"ANMF") + 1))
    data[at + 8 : at + 20] = bytes(12)
    animation.write_bytes(data)
    with VideoReader(animation) as reader:
        first, second = reader.frames([0, 1])
    assert np.array_equal(first, second)
    assert "1 of 5 frames cannot be decoded" in caplog.text


def test_one_without_frames(tmp_path):
    with pytest.raises(MediaError, match="holds no whole frame"):
        probe_video(write_webp(tmp_path / "a.webp", []))


def test_a_still_one_is_one_frame(tmp_path):
    body = encoded(flat(WIDTH, HEIGHT, *RED))
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body)
    assert probe_video(tmp_path / "a.webp").frames == 1
