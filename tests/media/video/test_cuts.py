"""Cuts: where a shot begins, and all that looks like it and is none."""

from itertools import repeat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdub_core.media.video.cuts import CutDetector
from xdub_core.media.video.reader import VideoReader

HEIGHT, WIDTH = 90, 160
FACE = slice(20, 70), slice(55, 105)


def scene(seed, height=HEIGHT, width=WIDTH):
    """A drawn backdrop of soft shapes, uint8 [height, width, 3]."""
    cells = np.random.default_rng(seed).integers(20, 200, (-(-height // 10), -(-width // 10), 3), np.uint8)
    return cells.repeat(10, 0).repeat(10, 1)[:height, :width]


def shot(seed, count):
    """A scene with a face that is in the same place in all scenes, and whose mouth moves."""
    for n in range(count):
        frame = scene(seed)
        frame[FACE] = scene(1000)[FACE]
        frame[55:65, 70 : 80 + n % 7] = 30
        yield frame


def shots(*lengths):
    return [frame for seed, count in enumerate(lengths) for frame in shot(seed, count)]


def cuts_of(frames):
    detector = CutDetector()
    for _ in detector.watch(frames):
        pass
    return detector.cuts


def times(frame, gain, offset=0):
    return np.clip(frame * float(gain) + offset, 0, 255).astype(np.uint8)


def noisy(frames, sigma):
    rng = np.random.default_rng(0)
    return [np.clip(f + rng.normal(0, sigma, f.shape), 0, 255).astype(np.uint8) for f in frames]


def test_a_cut_is_found_where_the_face_stays_in_its_place():
    assert cuts_of(shots(12, 12)) == [12]


def test_a_cut_each_second_is_found():
    assert cuts_of(shots(25, 25, 25, 25)) == [25, 50, 75]


def test_cuts_two_frames_apart_are_found():
    assert cuts_of(shots(8, 2, 2, 2, 8)) == [8, 10, 12, 14]


def test_a_cut_to_and_fro_between_two_scenes_is_found():
    one, other = shots(30), list(shot(1, 30))
    assert cuts_of([(one, other)[n // 5 % 2][n] for n in range(30)]) == [5, 10, 15, 20, 25]


def test_a_cut_between_plain_backdrops_is_found():
    def plain(color):
        frame = np.full((HEIGHT, WIDTH, 3), color, np.uint8)
        frame[FACE] = scene(1000)[FACE]
        return frame

    assert cuts_of([plain((30, 60, 160))] * 6 + [plain((160, 50, 40))] * 6) == [6]


@pytest.mark.parametrize("sigma", [5, 15, 30])
def test_noise_neither_makes_nor_hides_cuts(sigma):
    assert cuts_of(noisy(shots(10, 10), sigma)) == [10]


def test_a_cut_in_the_dark_is_found():
    assert cuts_of([times(frame, 0.15) for frame in shots(10, 10)]) == [10]


def test_frames_of_16_bits_are_looked_at_as_those_of_8():
    assert cuts_of([frame.astype(np.uint16) * 257 for frame in shots(10, 10)]) == [10]
    assert cuts_of([frame.astype(np.uint16) * 257 for frame in noisy(shots(20), 15)]) == []


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length):
    frames = shots(20)
    for n in range(9, 9 + length):
        frames[n] = np.full_like(frames[n], 255)
    assert cuts_of(frames) == []


def test_a_single_frame_of_something_else_is_no_cut():
    assert cuts_of([*shots(8)[:-1], scene(5), *shots(8)]) == []


def test_a_flash_on_a_cut_leaves_one_cut():
    frames = shots(10, 10)
    frames[10] = np.full_like(frames[10], 255)
    assert len(cuts_of(frames)) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_fade_is_no_cut(order):
    assert cuts_of([times(frame, n / 15) for n, frame in enumerate(shots(16))][::order]) == []


def test_a_lamp_that_is_switched_is_no_cut():
    assert cuts_of([times(frame, 0.4 + 0.6 * (n // 4 % 2)) for n, frame in enumerate(shots(24))]) == []


def test_a_lamp_of_another_colour_is_no_cut():
    tints = [(1.4, 0.6, 0.6), (0.6, 0.6, 1.4)]
    frames = [frame * np.array(tints[n // 4 % 2]) for n, frame in enumerate(shots(24))]
    assert cuts_of([times(frame, 1) for frame in frames]) == []


@pytest.mark.parametrize(("pixels", "held"), [(2, 1), (15, 1), (40, 1), (15, 2), (15, 3)])
def test_a_pan_is_no_cut(pixels, held):
    wide = scene(3, width=1200)
    assert cuts_of([wide[:, (x := n // held * pixels) : x + WIDTH] for n in range(24)]) == []


def test_a_pan_that_begins_and_ends_at_once_is_no_cut():
    wide = scene(3, width=1200)
    places = [0] * 8 + list(range(0, 500, 50)) + [500] * 8
    assert cuts_of([wide[:, x : x + WIDTH] for x in places]) == []


def test_motion_too_fast_to_follow_is_no_cut():
    assert cuts_of([*shots(8), *(scene(n) for n in range(20, 30)), *shots(8)]) == []


def test_the_same_blank_again_has_no_cuts():
    blank = np.broadcast_to(np.uint8(0), (1080, 1920, 3))
    assert cuts_of(repeat(blank, 500)) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_video_shorter_than_two_shots_has_no_cuts(count):
    assert cuts_of([scene(n) for n in range(count)]) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (2, 4000)])
def test_any_size_passes(size):
    rng = np.random.default_rng(0)
    assert len(cuts_of([rng.integers(0, 255, (*size, 3), np.uint8)] * 6)) == 0


def test_frames_pass_unchanged_and_at_once():
    frames = shots(4, 4)
    passed = iter(CutDetector().watch(iter(frames)))
    assert all(next(passed) is frame for frame in frames)


def test_a_real_clip_of_one_shot_has_no_cuts(media):
    with VideoReader(media / "video.mp4") as reader:
        assert cuts_of(reader.frames(reader.timeline.source_index)) == []


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    gains=st.lists(st.floats(0.85, 1.15), min_size=3, max_size=20),
    sigma=st.floats(0, 25),
    drift=st.integers(0, 3),
)
def test_what_changes_slowly_has_no_cuts(seed, gains, sigma, drift):
    wide = scene(seed, width=WIDTH + 60)
    gain = np.clip(np.cumprod(gains), 0.1, 2)
    frames = [times(wide[:, n * drift : n * drift + WIDTH], g) for n, g in enumerate(gain)]
    assert cuts_of(noisy(frames, sigma)) == []


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=6))
def test_every_cut_between_still_scenes_is_found(lengths):
    frames = [scene(seed) for seed, count in enumerate(lengths) for _ in range(count)]
    assert cuts_of(frames) == np.cumsum(lengths[:-1]).tolist()
