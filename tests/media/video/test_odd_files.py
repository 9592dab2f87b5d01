"""Files as they come from phones, broadcasts and broken downloads."""

from fractions import Fraction

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.timeline import ping_pong
from xdub_core.media.video.reader import VideoReader

# PyAV before 15 copies a video stream's packets but not its headers.
copies_video = pytest.mark.skipif(
    int(av.__version__.split(".")[0]) < 15, reason="needs PyAV 15 to make the test's file"
)


def remux(source, target, *, skip=0, shift=0):
    """Copy packets, leaving out the first `skip` and moving timestamps by `shift` frames of 1/25 s."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for number, packet in enumerate(read.demux(stream)):
            if number >= skip and packet.size:
                moved = round(Fraction(shift, 25) / packet.time_base)
                packet.pts += moved
                packet.dts = None if packet.dts is None else packet.dts + moved
                packet.stream = copy
                written.mux(packet)
    return target


def all_numbers(path, shown, order=None):
    with VideoReader(path) as reader:
        order = range(reader.info.frames) if order is None else order
        return [shown(picture) for picture in reader.frames(order)]


@copies_video
def test_frames_that_an_edit_list_hides_do_not_exist(tmp_path, make_video, numbered, shown):
    options = {"preset": "veryfast", "g": "12", "bf": "3", "sc_threshold": "0"}
    whole = make_video(tmp_path / "whole.mp4", numbered(120), options=options)
    path = remux(whole, tmp_path / "cut.mp4", shift=-20)
    with av.open(str(path)) as container:
        assert any(packet.is_discard for packet in container.demux(video=0)), (
            "the test's file hides no frames"
        )
    assert all_numbers(path, shown) == list(range(20, 120))
    order = ping_pong(100, 230)
    assert all_numbers(path, shown, order) == (order + 20).tolist()


@copies_video
def test_a_file_that_begins_amid_a_group(tmp_path, short_groups, shown):
    path = remux(short_groups, tmp_path / "cut.mkv", skip=5)
    found = all_numbers(path, shown)
    # It begins at the next keyframe: frames 12 on, or a little later where pictures before it are missing.
    assert found == list(range(found[0], 120))
    assert 8 < found[0] <= 24


def test_a_clock_that_starts_again(tmp_path, make_video, numbered, shown):
    pictures = numbered(40)
    first = make_video(tmp_path / "a.ts", pictures[:20], options={"g": "10"})
    second = make_video(tmp_path / "b.ts", pictures[20:], options={"g": "10"})
    joined = tmp_path / "c.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert all_numbers(joined, shown) == list(range(40))
    order = ping_pong(40, 100).tolist()
    assert all_numbers(joined, shown, order) == order


def test_a_gif(tmp_path, make_video, numbered, shown):
    path = make_video(tmp_path / "a.gif", numbered(10), codec="gif", pixel_format="rgb8")
    assert all_numbers(path, shown) == list(range(10))


def test_a_still_picture_is_one_frame(tmp_path, make_video, numbered, shown):
    path = make_video(tmp_path / "a.png", numbered(1), codec="png", pixel_format="rgb24")
    with VideoReader(path) as reader:
        assert (reader.info.frames, len(reader.timeline)) == (1, 1)


def test_grey_video(tmp_path, make_video, numbered, shown):
    path = make_video(tmp_path / "a.mkv", numbered(3), codec="ffv1", pixel_format="gray")
    assert all_numbers(path, shown) == [0, 1, 2]


@pytest.mark.parametrize("pixel_format", ["gbrp10le", "yuv422p10le", "gray10le", "yuv444p16le"])
def test_deep_formats(tmp_path, make_video, numbered, shown, pixel_format):
    path = make_video(tmp_path / "a.mkv", numbered(3), codec="ffv1", pixel_format=pixel_format)
    with VideoReader(path) as reader:
        pictures = list(reader.frames(range(3)))
        assert reader.info.bit_depth >= 10
    assert [shown(picture) for picture in pictures] == [0, 1, 2]
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint16)}
    assert abs(int(pictures[2].max()) - 220 * 257) < 3 * 257


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "ümläut ' \".mp4", "-dash.mp4"])
def test_names_that_are_special_to_others(tmp_path, make_video, numbered, shown, name, monkeypatch):
    make_video(tmp_path / "plain.mp4", numbered(3)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert all_numbers(name, shown) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(12))
def test_damage_anywhere_ends_in_frames_or_in_one_line(tmp_path, short_groups, seed):
    random = np.random.default_rng(seed)
    data = bytearray(short_groups.read_bytes())
    for _ in range(1 + seed % 4):
        at = int(random.integers(0, len(data) - 200))
        data[at : at + 150] = random.bytes(150)
    if seed % 3 == 0:
        data = data[: int(random.integers(100, len(data)))]
    path = tmp_path / "damaged.mkv"
    path.write_bytes(data)
    try:
        with VideoReader(path) as reader:
            order = ping_pong(reader.info.frames, 2 * reader.info.frames)
            assert sum(1 for _ in reader.frames(order)) == len(order)
    except MediaError as error:
        assert "\n" not in str(error) and str(path) in str(error)
