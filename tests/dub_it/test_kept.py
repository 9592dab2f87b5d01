"""What is not dubbed: the sound where nobody speaks, and where a face is in the source's own frames."""

import numpy as np
import pytest

from xdub_core.dub_it.kept_face import crop_size, on_frames, shots
from xdub_core.dub_it.kept_sound import FADE, joined_spans, kept_sound, with_channels
from xdub_core.face.track import FaceTrack

RATE = 24_000
SPEECH = ((0.5, 1.2), (2.0, 2.6))


def sound(seed, seconds=3.0, channels=2):
    return np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE))).astype(np.float32)


def test_outside_of_speech_every_sample_is_the_source_s():
    made, own = sound(0), sound(1)
    kept = kept_sound(made, own, SPEECH, RATE)
    time = np.arange(own.shape[1]) / RATE
    spoken = np.any([(time >= start) & (time < stop) for start, stop in SPEECH], axis=0)
    assert np.array_equal(kept[:, ~spoken], own[:, ~spoken])
    inside = np.any([(time > start + FADE) & (time < stop - FADE) for start, stop in SPEECH], axis=0)
    assert np.array_equal(kept[:, inside], made[:, inside])


def test_no_click_is_heard_where_one_goes_over_into_the_other():
    ones = np.ones((1, 3 * RATE), np.float32)
    assert np.abs(np.diff(kept_sound(ones, -ones, SPEECH, RATE))).max() < 0.002
    assert np.allclose(kept_sound(ones, ones, SPEECH, RATE), 1)


def test_speech_from_the_first_sample_to_the_last_is_not_faded():
    made, own = sound(0), sound(1)
    assert np.array_equal(kept_sound(made, own, [(0.0, 3.0)], RATE), made)
    assert np.array_equal(kept_sound(made, own, [(0.0, 9.0)], RATE), made)
    assert np.array_equal(kept_sound(made, own, [], RATE), own)


def test_a_short_word_is_heard():
    ones = np.ones((1, RATE), np.float32)
    assert kept_sound(ones, 0 * ones, [(0.4, 0.5)], RATE).max() > 0.99


def test_spans_are_joined_over_pauses_that_are_none():
    assert joined_spans([(0.0, 1.0), (3.0, 4.0)], [(0.5, 1.5), (1.6, 2.0)]) == ((0.0, 2.0), (3.0, 4.0))
    assert joined_spans([(0.0, 5.0)], [(1.0, 2.0)]) == ((0.0, 5.0),)
    assert joined_spans((), ()) == ()


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_new_sound_takes_as_many_channels_as_the_source_has(channels):
    made = sound(0)
    out = with_channels(made, channels)
    assert out.shape == (channels, made.shape[1]) and out.dtype == np.float32
    assert np.allclose(out[:2], made if channels > 1 else made.mean(0))


def moving(slots, shot_numbers=None, present=None):
    """A face that goes a pixel to the right in every slot."""
    left = np.arange(slots, dtype=np.float64)
    boxes = np.stack([left, left * 0, left + 40, left * 0 + 40], axis=1)
    numbers = np.zeros(slots, np.int64) if shot_numbers is None else np.array(shot_numbers)
    there = np.ones(slots, bool) if present is None else np.array(present)
    return FaceTrack(boxes, there, numbers, (200, 100))


def test_at_25_frames_a_second_the_track_stays_what_it_is():
    track = moving(10)
    same = on_frames(track, np.arange(10), 10)
    assert np.array_equal(same.boxes, track.boxes) and same.present.all()


@pytest.mark.parametrize("fps", [10, 24, 30, 50])
def test_between_the_slots_a_box_moves_evenly(fps):
    shows = np.floor(np.arange(50) * fps / 25 + 1e-9).astype(int)  # the frame on screen
    frames = 2 * fps
    made = on_frames(moving(50), shows, frames)
    assert len(made) == frames
    moved = np.diff(made.boxes[: shows[-1] + 1, 0])
    assert (moved >= 0).all() and moved.max() <= 25 / fps + 1
    first = np.unique(shows, return_index=True)[1]
    assert np.array_equal(made.boxes[np.unique(shows), 0], first)


def test_boxes_do_not_glide_through_a_cut_and_absence_is_kept():
    there = [True] * 5 + [False] * 2 + [True] * 3
    track = moving(10, [0] * 5 + [-1] * 2 + [1] * 3, there)
    made = on_frames(track, np.arange(0, 20, 2), 20)
    assert set(made.boxes[9, :1]) <= {4.0, 5.0}
    assert list(made.present) == [bool(x) for x in np.repeat(there, 2)] or made.present.sum() in (15, 16, 17)
    parts = shots(made)
    assert len(parts) == 2 and parts[0].start == 0 and parts[1].stop == 20
    assert all(made.shot_numbers[list(part)].min() >= 0 for part in parts)


def test_crops_are_as_large_as_the_face_up_to_a_limit():
    assert crop_size(moving(3)) == 40
    large = FaceTrack(np.array([[0.0, 0, 1500, 1500]]), np.ones(1, bool), np.zeros(1, np.int64), (2000, 1600))
    assert crop_size(large) == 768
