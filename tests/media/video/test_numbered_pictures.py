"""Numbered pictures as a video."""

import logging

import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import probe_video


@pytest.fixture
def write_pictures(tmp_path, make_video, numbered):
    """Write numbered PNGs under names made from a format."""

    def write(name, numbers, **more):
        folder = tmp_path / "frames"
        folder.mkdir(exist_ok=True)
        for number in numbers:
            made = make_video(
                (tmp_path / "one").with_suffix((name % number)[-4:]),
                [numbered(64)[number]],
                **{"codec": "png", "pixel_format": "rgb24", **more},
            )
            made.rename(folder / (name % number))
        return folder

    return write


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("%04d.png", range(1, 11)), ("%04d.png", range(5)), ("shot_%03d.png", range(17, 25)), ("%d.png", range(8, 13)),
     ("a%%b%02d.png", range(3))],
)  # fmt: skip
def test_a_pattern_is_a_video(write_pictures, shown, name, numbers):
    folder = write_pictures(name, numbers)
    with VideoReader(folder / name) as reader:
        order = [*range(len(numbers)), *reversed(range(len(numbers)))]
        assert [shown(frame) for frame in reader.frames(order)] == [numbers[place] for place in order]
        assert reader.info.frames == len(numbers) and reader.info.duration == pytest.approx(len(numbers) / 25)
        assert reader.info.codec == "png" and reader.info.stream is None and reader.info.audio_start is None
        assert reader.timeline.source_index.tolist() == list(range(len(numbers)))


def test_a_gap_is_told_and_filled(write_pictures, shown, caplog):
    folder = write_pictures("%04d.png", [4, 5, 6, 9, 10, 12])
    with caplog.at_level(logging.WARNING), VideoReader(folder / "%04d.png") as reader:
        assert [shown(frame) for frame in reader.frames(range(9))] == [4, 5, 6, 6, 6, 9, 10, 10, 12]
        assert [shown(frame) for frame in reader.frames([4])] == [6]
    (record,) = caplog.records
    assert "7 to 8, 11" in record.getMessage()


def test_two_sequences_are_not_one(write_pictures):
    folder = write_pictures("%04d.png", [1, 2, 60])
    with pytest.raises(MediaError, match="pictures 1 to 60 more are missing"):
        probe_video(folder / "%04d.png")


def test_a_damaged_picture_repeats_the_one_before(write_pictures, shown, caplog):
    folder = write_pictures("%04d.png", range(5))
    (folder / "0002.png").write_bytes(b"nothing")
    with VideoReader(folder / "%04d.png") as reader:
        assert [shown(frame) for frame in reader.frames(range(5))] == [0, 1, 1, 3, 4]
        assert [shown(frame) for frame in reader.frames([2])] == [1]
    (record,) = caplog.records
    assert "1 of 5 frames cannot be decoded" in record.getMessage() and "frame 2" in record.getMessage()


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format", "dtype"),
    [
        (".png", "png", "rgb48be", np.uint16),
        (".tif", "tiff", "rgb48le", np.uint16),
        (".tif", "tiff", "rgb24", np.uint8),
        (".jpg", "mjpeg", "yuvj420p", np.uint8),
        (".bmp", "bmp", "bgr24", np.uint8),
        (".tga", "targa", "bgr24", np.uint8),
        (".exr", "exr", "gbrpf32le", np.uint16),
    ],
)
def test_pictures_of_many_formats(write_pictures, shown, suffix, codec, pixel_format, dtype):
    name = f"%02d{suffix}"
    folder = write_pictures(name, range(3), codec=codec, pixel_format=pixel_format)
    with VideoReader(folder / name) as reader:
        frames = list(reader.frames([0, 1, 2]))
    assert [shown(frame) for frame in frames] == [0, 1, 2]
    assert {frame.dtype for frame in frames} == {np.dtype(dtype)}


def test_a_folder_names_the_pattern_to_give(write_pictures):
    folder = write_pictures("take%03d.png", range(3))
    with pytest.raises(MediaError, match="this is a folder") as caught:
        probe_video(folder)
    assert str(folder / "take%03d.png") in str(caught.value)


@pytest.mark.parametrize("pattern", ["%06d.png", "other%d.png", "%04d.jpg"])
def test_a_pattern_without_pictures(write_pictures, pattern):
    folder = write_pictures("%04d.png", range(3))
    with pytest.raises(MediaError, match="no picture") as caught:
        probe_video(folder / pattern)
    assert str(folder / "%04d.png") in str(caught.value)


def test_a_pattern_in_no_folder(tmp_path):
    with pytest.raises(MediaError, match="folder cannot be read"):
        probe_video(tmp_path / "absent" / "%04d.png")


@pytest.mark.parametrize("name", ["*.png", "####.png", "frame?.png"])
def test_other_wildcards_name_the_pattern_to_give(write_pictures, name):
    folder = write_pictures("%04d.png", range(3))
    with pytest.raises(MediaError, match="no such file") as caught:
        probe_video(folder / name)
    assert str(folder / "%04d.png") in str(caught.value)
