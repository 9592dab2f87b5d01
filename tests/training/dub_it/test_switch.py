"""Clips cut where they switch language."""

from fractions import Fraction

import numpy as np
import pytest

from xdub_core.audio.recording import recording_from_waveform
from xdub_core.audio.voice_activity import speech_spans
from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.data.switch import NoSwitchError, SwitchSettings, find_switch

FPS = Fraction(25)


def buzz(seconds, pause, rate=16_000):
    """A voice in syllables, silent from pause[0] to pause[1]."""
    time = np.arange(int(seconds * rate)) / rate
    turn = 2 * np.pi * np.cumsum(130 + 15 * np.sin(4.4 * time)) / rate
    voice = sum(np.sin(n * turn) / n for n in range(1, 20)) * (0.1 + np.sin(25 * time).clip(0))
    return (0.2 * voice * ((time < pause[0]) | (time >= pause[1]))).astype(np.float32)


def test_the_cut_is_in_the_pause_that_is_heard():
    with recording_from_waveform(buzz(10, (4.2, 5.4))[None], 16_000) as recording:
        speech = speech_spans(recording, silero=False)
    switch = find_switch(249, FPS, speech)
    assert switch.heard and 4.5 < switch.second < 5.2
    first, second = switch.halves
    assert first.start == 0 and second.stop == 249
    assert first.stop <= switch.second * 25 <= second.start
    assert len(first) % 8 == len(second) % 8 == 1
    assert first.stop > 4.2 * 25 and second.start < 5.4 * 25  # no speech is lost


def test_of_several_pauses_the_longest_near_the_prompt_s_is_taken():
    speech = [(0, 1), (2.9, 4.2), (4.4, 4.6), (5.6, 10)]
    assert find_switch(249, FPS, speech).second == pytest.approx(5.1)


@pytest.mark.parametrize(
    ("speech", "told"),
    [
        ([(0, 10)], "no pause within 1.5 s of second 5.0"),
        ([], "0 stretches of speech"),
        ([(0, 1), (2, 10)], "no pause"),
    ],
)
def test_a_clip_without_a_pause_there_is_given_up_or_cut_by_its_prompt(speech, told):
    with pytest.raises(NoSwitchError, match=told):
        find_switch(249, FPS, speech)
    switch = find_switch(249, FPS, speech, SwitchSettings(must_pause=False))
    assert not switch.heard and switch.second == pytest.approx(4.98)


def test_a_half_that_is_too_short_or_too_long_gives_the_clip_up():
    with pytest.raises(NoSwitchError, match="first half has 41 frames, and 49"):
        find_switch(97, FPS, [(0, 1.6), (2.0, 3.9)])
    with pytest.raises(NoSwitchError, match="second half speaks for 150 frames, and 121"):
        find_switch(297, FPS, [(0, 4.8), (5.88, 11.88)])


def test_a_half_is_as_long_as_can_be_held_where_its_speech_is_shorter():
    switch = find_switch(313, FPS, [(0, 4.5), (8.0, 12.52)])
    assert len(switch.halves[0]) == len(switch.halves[1]) == 121


@pytest.mark.parametrize("wrong", [{"shortest": 48}, {"longest": 120}, {"shortest": 1}, {"shortest": 129}])
def test_lengths_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match="cannot be"):
        SwitchSettings(**wrong)
