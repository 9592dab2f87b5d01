"""Damaged videos: a whole run of frames, one warning, and the clock kept."""

import logging

import numpy as np
import pytest

from xdub_core.media.timeline import ping_pong
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import scan_video


def overwrite(path, first, last, of, container="mdat", byte=0):
    """Overwrite the part of a file's media that holds the frames `first` to `last` of `of` frames of one size."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov", start) - 4 if b"moov" in data[start:] else len(data)
    size = (end - start) / of
    hole = slice(start + round(first * size), start + round((last + 1) * size))
    data[hole] = bytes([byte]) * (hole.stop - hole.start)
    path.write_bytes(data)
    return path


@pytest.fixture
def noisy(tmp_path, make_video, numbered):
    """30 numbered frames, every one a keyframe, of about the same size."""
    noise = np.random.default_rng(0).integers(0, 30, (30, 64, 96, 3), dtype=np.uint8)
    pictures = [picture + grain for picture, grain in zip(numbered(30), noise, strict=True)]
    return make_video(tmp_path / "a.mp4", pictures, options={"g": "1"})


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_hole_shows_the_frame_before_it(noisy, shown, caplog):
    overwrite(noisy, 20, 21, 30)
    scanned = scan_video(noisy)
    with VideoReader(scanned) as reader:
        frames = list(reader.frames(range(30)))
    lost = sorted(scanned.damage.lost)
    assert len(lost) in (1, 2, 3) and set(lost) <= set(range(19, 24))
    assert all(np.array_equal(frames[number], frames[lost[0] - 1]) for number in lost)
    assert [shown(frame) for frame in frames[:19] + frames[24:]] == [*range(19), *range(24, 30)]
    (message,) = [text for text in warnings(caplog) if "cannot be decoded" in text]
    assert f"{len(lost)} of 30 frames cannot be decoded" in message
    assert f"{lost[0]} " in message and f"{lost[0] / 25:.2f} s" in message and "\n" not in message


@pytest.mark.parametrize(("first", "last"), [(0, 1), (28, 29)])
def test_holes_at_both_ends(noisy, shown, first, last):
    overwrite(noisy, first, last, 30)
    with VideoReader(noisy) as reader:
        count = reader.info.frames
        found = [shown(picture) for picture in reader.frames(range(count))]
    # What precedes the first frame that decodes is not in the file.
    assert found == sorted(found) and count >= 27 and len(found) == count


def test_a_damaged_start_keeps_its_time(noisy, shown, caplog):
    """The very first picture's header is gone: the first good one is shown from the start, and nothing moves."""
    overwrite(noisy, 0, 1, 30)
    with VideoReader(noisy) as reader:
        found = [shown(picture) for picture in reader.frames(range(reader.info.frames))]
        assert reader.info.frames == 30 and reader.info.duration == pytest.approx(1.2)
        again = [shown(picture) for picture in reader.frames([0, 29, 1])]
    first = found[0]
    assert 1 <= first <= 4 and found == [first] * first + list(range(first, 30))
    assert again == [first, 29, first]
    assert "frames 0 to" in caplog.text or "frame 0 at 0.00 s" in caplog.text


def test_all_passes_agree_and_one_warns(noisy, caplog):
    overwrite(noisy, 11, 12, 30)
    passes = VideoPasses(scan_video(noisy))
    order = ping_pong(30, 70)
    first, second = (list(passes.frames(order)) for _ in range(2))
    straight = list(passes.frames(range(30)))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(first[slot], straight[number]) for slot, number in enumerate(order))
    assert len([text for text in warnings(caplog) if "cannot be decoded" in text]) == 1


def test_a_seek_into_a_hole_gives_what_a_straight_run_gives(noisy):
    overwrite(noisy, 11, 12, 30)
    with VideoReader(noisy) as reader:
        straight = list(reader.frames(range(30)))
    for start in range(9, 16):
        with VideoReader(noisy) as reader:
            assert np.array_equal(next(reader.frames([start])), straight[start])


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mp4", {"preset": "veryfast", "bf": "3", "g": "20"}),
        ("libx264", ".h264", {"preset": "veryfast", "bf": "3", "g": "20"}),
        ("libx265", ".mp4", {"x265-params": "log-level=none:keyint=20"}),
        ("mpeg4", ".mp4", {"bf": "2", "q": "3"}),
        ("mpeg2video", ".ts", {"bf": "2", "q": "3"}),
        ("libvpx-vp9", ".webm", {"cpu-used": "8", "g": "20", "b": "0", "crf": "20"}),
        ("prores_ks", ".mov", {}),
        ("mjpeg", ".avi", {"q": "3"}),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_damage_in_the_middle_of_any_codec(
    tmp_path, make_video, numbered, caplog, codec, suffix, options, seed
):
    formats = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}
    noise = np.random.default_rng(0).integers(0, 30, (40, 64, 96, 3), dtype=np.uint8)
    pictures = [picture + grain for picture, grain in zip(numbered(40), noise, strict=True)]
    path = tmp_path / f"a{suffix}"
    make_video(path, pictures, codec=codec, options=options, pixel_format=formats.get(codec, "yuv420p"))
    random = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    at = int(random.integers(len(data) // 4, len(data) // 2))
    data[at : at + 1500] = random.bytes(1500)
    path.write_bytes(data)
    passes = VideoPasses(scan_video(path))
    count = len(list(passes.frames(passes.timeline.source_index)))
    assert count == len(passes.timeline)
    with VideoReader(path) as reader:
        frames = reader.info.frames
        assert frames >= 10
        assert sum(1 for _ in reader.frames(ping_pong(frames, 2 * frames))) == 2 * frames


@pytest.mark.media
def test_a_real_damaged_file_is_whole(media, caplog):
    path = media / "odd" / "dmg.mp4"
    passes = VideoPasses(scan_video(path))
    for _ in range(3):
        assert sum(1 for _ in passes.frames(passes.timeline.source_index)) == 100
    (message,) = [text for text in warnings(caplog) if "cannot be decoded" in text]
    assert "1 of 100 frames cannot be decoded" in message and "frame 53 at 2.12 s" in message


def join_ts(tmp_path, make_video, numbered, **second):
    first = make_video(tmp_path / "a.ts", numbered(10), options={"g": "5"})
    pictures = [np.full((48, 80, 3), 90, np.uint8)] * 10
    later = make_video(tmp_path / "b.ts", pictures, pts=range(10, 20), options={"g": "5"}, **second)
    joined = tmp_path / "c.ts"
    joined.write_bytes(first.read_bytes() + later.read_bytes())
    return joined


def test_a_change_of_size_is_scaled_to_the_first(tmp_path, make_video, numbered, caplog):
    with VideoReader(join_ts(tmp_path, make_video, numbered)) as reader:
        frames = list(reader.frames(range(reader.info.frames)))
    assert {frame.shape for frame in frames} == {(64, 96, 3)}
    assert abs(int(frames[-1].mean()) - 90) < 4
    (message,) = warnings(caplog)
    assert "80x48" in message and "frame 10 (0.40 s)" in message


def test_a_change_of_depth_keeps_the_first(tmp_path, make_video, numbered, caplog):
    path = join_ts(tmp_path, make_video, numbered, pixel_format="yuv420p10le")
    with VideoReader(path) as reader:
        frames = list(reader.frames(range(reader.info.frames)))
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}


def test_reading_transparency_loses_nothing_yet(tmp_path, make_transparent, shown, caplog):
    passes = VideoPasses(scan_video(make_transparent(tmp_path / "a.mkv")))
    for _ in range(3):
        assert [shown(frame) for frame in passes.frames(range(3))] == [0, 1, 2]
    assert warnings(caplog) == []  # what an output cannot keep of it is told by the writer
