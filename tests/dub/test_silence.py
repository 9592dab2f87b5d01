"""What lips do while their speaker is silent."""

import numpy as np
import pytest

from xdub_core.audio.recording import open_recording, recording_from_waveform
from xdub_core.dub.silence import SHORTEST_SHOWN, Silence, heard_with, strength_in_speech
from xdub_core.mini.card import BUILT_IN


@pytest.fixture(scope="module")
def noisy():
    """Noise for two seconds, then speech in noise, then noise for two seconds."""
    with open_recording(BUILT_IN.parent / "sample" / "recording.wav") as recording:
        words = recording.read(round(0.3 * 16000), round(2.6 * 16000))
    sound = np.pad(words, 32000) + 0.003 * np.random.default_rng(0).standard_normal(len(words) + 64000)
    return sound.astype(np.float32)


@pytest.fixture
def recording(noisy):
    with recording_from_waveform(noisy[None], 16000) as opened:
        yield opened


def test_model_hears_the_recording_itself_and_shows_everything(recording):
    assert heard_with(Silence.MODEL, recording, 158) == (recording, None)


def test_closed_hears_nothing_in_pauses_and_speech_as_it_is(recording, noisy):
    heard, strength = heard_with(Silence.CLOSED, recording, 158)
    with heard:
        sound = heard.read(0, heard.samples)
    assert strength is None
    assert not sound[:27000].any() and not sound[-27000:].any()
    middle = slice(32000, len(noisy) - 32000)
    assert np.array_equal(sound[middle], noisy[middle])


def test_a_recording_that_never_pauses_is_heard_as_it_is(noisy):
    with recording_from_waveform(noisy[None, 33000:60000], 16000) as words:
        assert heard_with(Silence.CLOSED, words, 42) == (words, None)


def test_source_hears_all_and_shows_the_source_in_pauses(recording):
    heard, strength = heard_with(Silence.SOURCE, recording, 158)
    assert heard is recording
    assert (strength[:40] == 0).all() and (strength[-35:] == 0).all()
    assert (strength[50:108] == 1).all()
    assert ((strength > 0) & (strength < 1)).any()


def test_short_pauses_show_nothing_of_the_source():
    strength = strength_in_speech([(0.0, 1.0), (0.9 + SHORTEST_SHOWN, 3.0), (5.0, 6.0)], 150)
    assert (strength[:75] == 1).all()
    assert (strength[81:119] == 0).all()
    assert (strength_in_speech([], 10) == 0).all()
