"""The reader: the right frame in any order, upright, from memory that does not grow."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xdub_core.media.timeline import Extend, ping_pong, shown_slots
from xdub_core.media.video.decoder import FrameDecoder
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import scan_video

FILES = ["long_group", "short_groups"]


@pytest.fixture
def decoded_frames(monkeypatch):
    """Counts the frames that decoders give."""
    count = []
    read = FrameDecoder.read
    monkeypatch.setattr(FrameDecoder, "read", lambda self: count.append(1) or read(self))
    return count


def numbers(reader, indices, shown):
    return [shown(picture) for picture in reader.frames(indices)]


@pytest.mark.parametrize("name", FILES)
def test_forward_runs_decode_every_frame_once(name, request, shown, decoded_frames):
    with VideoReader(request.getfixturevalue(name)) as reader:
        assert numbers(reader, range(120), shown) == list(range(120))
    assert len(decoded_frames) == 120


@pytest.mark.parametrize("name", FILES)
def test_ping_pong_there_and_back(name, request, shown):
    path = request.getfixturevalue(name)
    picture_bytes = 96 * 64 * 3 // 2
    order = ping_pong(120, 400).tolist()
    with VideoReader(path, kept_bytes=32 * picture_bytes) as reader:
        assert numbers(reader, order, shown) == order
        assert len(reader._kept) <= 32


def test_going_back_keeps_few_frames_and_decodes_in_chunks(long_group, shown, decoded_frames):
    order = list(range(119, -1, -1))
    most = 0
    with VideoReader(long_group, kept_bytes=30 * 96 * 64 * 3 // 2) as reader:
        for picture, number in zip(reader.frames(order), order, strict=True):
            assert shown(picture) == number
            most = max(most, len(reader._kept))
    assert most <= 30
    assert len(decoded_frames) <= 120 + 90 + 60 + 30 + 4


@pytest.mark.parametrize("name", FILES)
def test_a_loop_decodes_every_pass_once_and_keeps_nothing(name, request, shown, decoded_frames):
    order = shown_slots(120, 300, Extend.LOOP).tolist()
    with VideoReader(request.getfixturevalue(name)) as reader:
        for picture, number in zip(reader.frames(order), order, strict=True):
            assert shown(picture) == number
            assert not reader._kept
    assert len(decoded_frames) == 300


def test_a_loop_back_over_a_few_frames_keeps_none_that_is_not_asked_for(long_group, shown, decoded_frames):
    order = [*range(60, 111)] * 3
    with VideoReader(long_group) as reader:
        for picture, number in zip(reader.frames(order), order, strict=True):
            assert shown(picture) == number
            assert len(reader._kept) <= 1


def test_a_frame_that_is_held_is_decoded_once(long_group, shown, decoded_frames):
    with VideoReader(long_group) as reader:
        assert numbers(reader, [119] * 900, shown) == [119] * 900
    assert len(decoded_frames) <= 120


def test_a_jump_far_ahead_seeks(short_groups, shown, decoded_frames):
    with VideoReader(short_groups) as reader:
        assert numbers(reader, [0, 100], shown) == [0, 100]
    assert len(decoded_frames) < 20


def test_repeated_frames_are_the_callers_own(long_group):
    with VideoReader(long_group) as reader:
        first, second = reader.frames([7, 7])
        first[:] = 0
        assert second.any()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 119), min_size=1, max_size=15), name=st.sampled_from(FILES))
def test_any_order(order, name, request, shown):
    with VideoReader(request.getfixturevalue(name)) as reader:
        assert numbers(reader, order, shown) == order


def test_two_readers_on_one_file(short_groups, shown):
    with VideoReader(short_groups) as one, VideoReader(short_groups) as other:
        pairs = zip(one.frames(range(120)), other.frames(range(119, -1, -1)), strict=True)
        assert [(shown(a), shown(b)) for a, b in pairs] == [(k, 119 - k) for k in range(120)]


def test_frames_of_a_variable_rate_are_known_by_their_order(tmp_path, make_video, numbered, shown):
    steps = np.random.default_rng(3).integers(15, 90, 60)
    pts = np.cumsum(steps).tolist()
    path = make_video(
        tmp_path / "a.mkv", numbered(60), pts=pts, time_base=Fraction(1, 1000), options={"preset": "veryfast"}
    )
    with VideoReader(path) as reader:
        order = ping_pong(60, 150).tolist()
        assert numbers(reader, order, shown) == order
        times = (np.array(pts) - pts[0]) / 1000
        for slot, source in enumerate(reader.timeline.source_index):
            later = times[source + 1] if source + 1 < 60 else np.inf
            assert times[source] <= slot / 25 + 0.002 < later


@pytest.mark.parametrize("suffix", [".avi", ".ts", ".h264", ".mov"])
def test_other_containers(tmp_path, make_video, numbered, shown, suffix):
    options = {"preset": "veryfast", "bf": "2", "g": "10"}
    path = make_video(tmp_path / f"a{suffix}", numbered(50), options=options)
    with VideoReader(path) as reader:
        order = [*range(50), *range(48, 10, -1), 3, 40]
        assert numbers(reader, order, shown) == order


@pytest.mark.parametrize(
    ("codec", "suffix"), [("mpeg4", ".avi"), ("libvpx-vp9", ".webm"), ("libx265", ".mp4")]
)
def test_other_codecs(tmp_path, make_video, numbered, shown, codec, suffix):
    options = {"mpeg4": {"bf": "2", "q": "2"}, "libvpx-vp9": {"cpu-used": "8", "lag-in-frames": "16"}}.get(
        codec, {}
    )
    path = make_video(tmp_path / f"a{suffix}", numbered(40), codec=codec, options=options)
    with VideoReader(path) as reader:
        order = ping_pong(40, 90).tolist()
        assert numbers(reader, order, shown) == order


@pytest.mark.parametrize(
    "matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1)]
)
def test_frames_stand_upright(tmp_path, make_video, turn, matrix):
    picture = np.zeros((48, 80, 3), np.uint8)
    picture[:24, :40, 0] = 220  # red at the top left
    picture[24:, :40, 1] = 220  # green below
    path = turn(make_video(tmp_path / "a.mp4", [picture] * 3), matrix)
    with VideoReader(path) as reader:
        upright = next(reader.frames([1])).astype(int)
        assert upright.shape == (reader.info.height, reader.info.width, 3)
    a, b, c, d = matrix
    for stored, channel in (((20, 12), 0), ((20, 36), 1)):
        x, y = a * stored[0] + c * stored[1], b * stored[0] + d * stored[1]
        # A negative direction counts from the far edge.
        x, y = x if a + c > 0 else x - 1, y if b + d > 0 else y - 1
        assert upright[y, x, channel] > 180
        assert upright[y, x].sum() < 320


def test_odd_sizes_are_read_as_they_are(tmp_path, make_video):
    picture = np.random.default_rng(0).integers(0, 255, (35, 51, 3), dtype=np.uint8)
    path = make_video(tmp_path / "a.mkv", [picture], codec="ffv1", pixel_format="bgr0")
    with VideoReader(path) as reader:
        assert np.array_equal(next(reader.frames([0])), picture)


def test_one_frame_makes_one_slot(tmp_path, make_video, numbered):
    with VideoReader(make_video(tmp_path / "a.mp4", numbered(1))) as reader:
        assert reader.timeline.source_index.tolist() == [0]
        assert len(list(reader.frames([0] * 5))) == 5


def test_millisecond_timestamps_at_25_fps_give_the_identity(tmp_path, make_video, numbered):
    pts = [round(40 * k + (-1) ** k * 3) + 10 for k in range(50)]
    path = make_video(tmp_path / "a.mkv", numbered(50), pts=pts, time_base=Fraction(1, 1000))
    with VideoReader(path) as reader:
        assert reader.timeline.source_index.tolist() == list(range(50))


def test_ten_bits_are_read_as_sixteen(tmp_path, make_video, numbered, shown):
    path = make_video(tmp_path / "a.mp4", numbered(5), pixel_format="yuv420p10le")
    with VideoReader(path) as reader:
        pictures = list(reader.frames(range(5)))
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint16)}
    assert [shown(picture) for picture in pictures] == [0, 1, 2, 3, 4]


def test_an_index_that_is_none(long_group):
    with VideoReader(long_group) as reader, pytest.raises(IndexError):
        list(reader.frames([120]))


def test_memory_stays_flat(tmp_path, make_video, numbered):
    options = {"preset": "ultrafast", "crf": "30"}
    path = make_video(tmp_path / "a.mp4", (numbered(50)) * 40, options=options)
    process = psutil.Process()
    seen = []
    with VideoReader(path, kept_bytes=2**20) as reader:
        for number, _ in enumerate(reader.frames(range(2000))):
            if number % 250 == 249:
                seen.append(process.memory_info().rss)
    assert max(seen[2:]) - seen[1] < 8 * 2**20


def test_what_was_scanned_need_not_be_scanned_again(long_group, shown):
    scanned = scan_video(long_group)
    with VideoReader(scanned) as reader:
        assert numbers(reader, [3], shown) == [3]
        assert reader.info is scanned.info


def test_timeline_slots_never_go_back(long_group):
    with VideoReader(long_group, fps=10) as reader:
        assert all(a <= b for a, b in pairwise(reader.timeline.source_index.tolist()))
        assert len(reader.timeline) == 48
