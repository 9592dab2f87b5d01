"""Lips against sound: the lag is found where there is one, and is not made up where there is none."""

import numpy as np
import pytest

from xdub_core.dub.scene import Scene, Speaker
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import FinishedFrame, SourceFrame
from xdub_core.media.timeline import Timeline
from xdub_core.report.lips import LipWatch, lag_of

FRAMES = 100
WHOLE = ((0, 0, 120, 120),)


def syllables(frames=FRAMES, seed=1):
    """Something that goes up and down about four times a second."""
    noise = np.random.default_rng(seed).random(frames + 8)
    return np.convolve(noise, np.hanning(6) / 2.5, mode="same")[4:-4].astype(np.float32)


def face(opening):
    """A face in a box of 100 pixels, whose mouth is `opening` of 0..1 open."""
    picture = np.full((120, 120, 3), 180, np.uint8)
    half = round(12 * float(opening))
    picture[76 - half : 76 + half + 1, 42:78] = 30
    return picture


def scene(strength=None, present=None):
    boxes = np.tile(np.array([10.0, 10.0, 110.0, 110.0]), (FRAMES, 1))
    there = np.ones(FRAMES, bool) if present is None else present
    track = FaceTrack(boxes, there, np.zeros(FRAMES, np.int64), (120, 120))
    return Scene(None, Timeline(np.arange(FRAMES)), (Speaker(track, None, strength),), FRAMES)


def watched(openings, watch, changed=WHOLE):
    for number, opening in enumerate(openings):
        watch.add(number, FinishedFrame(face(opening), SourceFrame(face(0.1)), changed))
    return watch


def dark(faces):
    """How much of the close-ups is dark: a mouth that is open is."""
    return (faces < 90).mean((1, 2, 3))


@pytest.mark.parametrize("lag", [-3, 0, 5])
def test_a_lag_is_found(lag):
    sound = syllables()
    found, together = lag_of(np.roll(sound, lag), sound)
    assert found == lag
    assert together > 0.8


def test_no_lag_is_told_of_lips_that_do_something_else():
    found, together = lag_of(syllables(seed=2), syllables(seed=3))
    assert found is None
    assert abs(together) < 0.4


def test_too_few_frames_tell_nothing():
    sound = syllables(60)
    assert lag_of(sound, sound) == (None, None)
    assert lag_of(np.full(FRAMES, np.nan), syllables()) == (None, None)


@pytest.mark.parametrize(("openings", "measure"), [(dark, "opening"), (None, "movement")])
def test_the_dub_s_mouth_moves_and_the_source_s_does_not(openings, measure):
    sound = syllables()
    (curve,) = watched(sound, LipWatch(scene(), openings)).curves([sound], [3])
    assert (curve.person, curve.measure, len(curve.after), len(curve.loudness)) == (
        3,
        measure,
        FRAMES,
        FRAMES,
    )
    before, after = (np.array(values, float) for values in (curve.before, curve.after))
    assert np.nanstd(after) > 0.1
    assert np.nanstd(before) < 1e-6


def test_openings_are_read_where_they_belong():
    sound = syllables()
    (curve,) = watched(sound, LipWatch(scene(), dark)).curves([sound], [1])
    assert curve.lag_frames == 0
    assert curve.correlation > 0.9
    assert np.corrcoef(np.array(curve.after, float), sound)[0, 1] > 0.9


def test_where_nobody_is_dubbed_no_lips_are_read():
    there = np.arange(FRAMES) < 40
    said = (np.arange(FRAMES) < 20).astype(np.float32)
    for given, last in ((scene(present=there), 40), (scene(strength=said), 20)):
        (curve,) = watched(syllables(), LipWatch(given, dark)).curves([syllables()], [1])
        assert [value is not None for value in curve.after] == [number < last for number in range(FRAMES)]
    (curve,) = watched(syllables(), LipWatch(scene(), dark), changed=()).curves([syllables()], [1])
    assert set(curve.after) == {None}


def test_a_recording_that_ends_early_is_silent_after_it():
    (curve,) = LipWatch(scene(), dark).curves([np.ones(30, np.float32)], [1])
    assert curve.loudness == (1.0,) * 30 + (0.0,) * 70


def test_of_several_frames_of_the_output_that_show_one_of_the_model_s_the_first_is_read():
    watch, calls = None, []
    watch = LipWatch(scene(), lambda faces: calls.append(len(faces)) or dark(faces))
    for number in (0, 0, 0, 1, 1):
        watch.add(number, FinishedFrame(face(0.5), SourceFrame(face(0.1)), WHOLE))
    watch.curves([syllables()], [1])
    assert sum(calls) == 4  # before and after, of two frames
