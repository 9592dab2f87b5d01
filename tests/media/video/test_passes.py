"""Several passes over a video file, or over a part of it, at once."""

from fractions import Fraction

import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import scan_video


def test_two_passes_run_side_by_side(short_groups, shown):
    passes = VideoPasses(scan_video(short_groups))
    pairs = zip(passes.frames(range(50)), passes.frames(range(20, 70)), strict=True)
    assert [(shown(a), shown(b)) for a, b in pairs] == [(n, n + 20) for n in range(50)]


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (0, 0, range(120)),
        (1, 0, range(25, 120)),
        (1, 2, range(25, 75)),
        (0, 0.4, range(10)),
        (4, 9, range(100, 120)),
    ],
)
def test_the_timeline_of_a_part_shows_that_part(short_groups, start, duration, expected):
    passes = VideoPasses(scan_video(short_groups), start, duration)
    assert passes.timeline.source_index.tolist() == list(expected)
    assert passes.part == expected


def test_a_part_ends_where_it_is_told_to_though_decimal_fractions_add_up_to_a_little_more(
    tmp_path, make_video, numbered
):
    video = make_video(tmp_path / "fast.mp4", numbered(40), time_base=Fraction(1, 50))
    assert VideoPasses(scan_video(video), 0.2, 0.4).part == range(10, 30)  # 0.2 + 0.4 > 0.6


def test_a_part_of_another_rate_comes_at_25_frames_a_second(tmp_path, make_video, numbered):
    video = make_video(tmp_path / "fast.mp4", numbered(100), time_base=Fraction(1, 50))
    passes = VideoPasses(scan_video(video), 1.0, 0.4)
    assert passes.timeline.source_index.tolist() == list(range(50, 70, 2))


def test_a_part_behind_the_end_is_refused(short_groups):
    with pytest.raises(MediaError, match=r"no frame from second 9 on.*trim it less"):
        VideoPasses(scan_video(short_groups), 9, 1)


def test_frames_come_in_the_order_asked(short_groups, shown):
    passes = VideoPasses(scan_video(short_groups))
    assert [shown(frame) for frame in passes.frames(np.array([5, 4, 4, 7]))] == [5, 4, 4, 7]
