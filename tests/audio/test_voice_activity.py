"""Where somebody speaks: nothing of speech is lost, and what is no speech does not count."""

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, istft, lfilter, stft

from xdub_core.audio import voice_activity
from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.audio.energy_activity import FLOOR_SECONDS, active_frames
from xdub_core.audio.recording import open_recording, recording_from_waveform
from xdub_core.audio.voice_activity import AFTER, BEFORE, SHORTEST_PAUSE, has_silero, speech_spans
from xdub_core.mini.card import BUILT_IN

RNG = np.random.default_rng(5)
PAUSE = 2.0
WAYS = [False, pytest.param(True, marks=pytest.mark.skipif(not has_silero(), reason="no silero-vad"))]


@pytest.fixture(scope="module")
def spoken():
    """Two parts of a sentence between pauses of digital silence, and where they are, in seconds."""
    with open_recording(BUILT_IN.parent / "sample" / "recording.wav") as recording:
        words = recording.read(0, recording.samples)
    first, second = (_trimmed(part) for part in np.split(words, [round(2.9 * SAMPLE_RATE)]))
    pause = np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)
    starts = len(pause), 2 * len(pause) + len(first)
    where = [
        (start / SAMPLE_RATE, (start + len(part)) / SAMPLE_RATE)
        for start, part in zip(starts, (first, second), strict=True)
    ]
    return np.concatenate([pause, first, pause, second, pause]), where


def _trimmed(sound):
    heard = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[heard[0] : heard[-1]]


def spans(sound, silero=False):
    with recording_from_waveform(np.asarray(sound, np.float32)[None], SAMPLE_RATE) as recording:
        return speech_spans(recording, silero)


def noise(seconds, color="white"):
    white = RNG.standard_normal(round(seconds * SAMPLE_RATE))
    colored = {"white": white, "brown": lfilter([1], [1, -0.99], white)}[color]
    return colored / colored.std()


def hum(seconds, hertz=50):
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * hertz * part * time + part) / part for part in range(1, 12))
    return sound / sound.std()


def breath(seconds=0.5):
    air = lfilter(*butter(2, [500 / 8000, 4000 / 8000], "band"), noise(seconds))
    return air / air.std() * np.hanning(len(air)) ** 0.5


def assert_told(sound, where, silero=False, slack=0.5):
    """All speech is within the spans, and they hold little else."""
    told = spans(sound, silero)
    for start, stop in where:
        assert any(a <= start + 0.03 and stop - 0.03 <= b for a, b in told), (told, where)
    spoken = sum(stop - start for start, stop in where)
    assert sum(b - a for a, b in told) < spoken + slack * (len(where) + 1), (told, where)


@pytest.mark.parametrize("silero", WAYS)
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_speech_is_told_from_silence_loud_or_quiet(spoken, silero, gain):
    sound, where = spoken
    assert_told(gain * sound, where, silero)


@pytest.mark.parametrize("silero", WAYS)
@pytest.mark.parametrize(("color", "decibels"), [("white", -20), ("brown", -10)])
def test_noise_is_no_speech(spoken, silero, color, decibels):
    sound, where = spoken
    level = sound[np.abs(sound) > 0].std() * 10 ** (decibels / 20)
    assert_told(sound + level * noise(len(sound) / SAMPLE_RATE, color), where, silero)


@pytest.mark.parametrize("begins", [0.0, 5.0])
def test_hum_is_no_speech_also_where_it_begins_on_the_way(spoken, begins):
    sound, where = spoken
    humming = 0.3 * sound.std() * hum(len(sound) / SAMPLE_RATE)
    humming[: round(begins * SAMPLE_RATE)] = 0
    assert_told(sound + humming, where)


def test_clipped_speech_is_speech(spoken):
    sound, where = spoken
    assert_told(np.clip(20 * sound, -0.9, 0.9), where)


def test_whispered_speech_is_speech(spoken):
    sound, where = spoken
    _, _, spectrum = stft(sound, nperseg=512)
    smooth = uniform_filter1d(np.abs(spectrum), 13, axis=0)  # no pitch is left in it
    breathed = smooth * np.exp(2j * np.pi * RNG.random(spectrum.shape))
    whisper = istft(breathed, nperseg=512)[1][: len(sound)]
    assert_told(whisper + 1e-4 * noise(len(sound) / SAMPLE_RATE), where)


def test_breaths_are_no_speech(spoken):
    sound, where = spoken
    breathing = sound + 1e-4 * noise(len(sound) / SAMPLE_RATE)
    for at in (0.3, 1.2, where[0][1] + 0.7):
        first = round(at * SAMPLE_RATE)
        breathing[first : first + 8000] += 0.25 * sound.std() * breath()
    assert_told(breathing, where)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(10 * SAMPLE_RATE),
        0.3 * noise(10),
        0.02 * noise(10, "brown"),
        0.1 * hum(10),
        0.1 * sum(np.sin(2 * np.pi * hertz * np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE) for hertz in (220, 277, 330)),
        0.5 * (np.arange(10 * SAMPLE_RATE) % SAMPLE_RATE < 40) + 1e-4 * noise(10),
        np.concatenate([np.concatenate([0.02 * breath(), np.zeros(SAMPLE_RATE)]) for _ in range(6)]) + 1e-4 * noise(9),
        np.full(SAMPLE_RATE, 0.3),
        0.01 * noise(0.03),
    ],
    ids=["nothing", "noise", "rumble", "hum", "chord", "clicks", "breaths", "offset", "very short"],
)  # fmt: skip
def test_where_nobody_speaks_nothing_is_told(sound):
    assert spans(sound) == ()


def test_speech_without_a_pause_is_one_span(spoken):
    sound, where = spoken
    parts = [sound[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in where]
    whole = np.concatenate(parts * 4)
    told = spans(whole)
    assert sum(b - a for a, b in told) > 0.9 * len(whole) / SAMPLE_RATE


def test_a_held_note_is_heard_to_its_end():
    seconds = FLOOR_SECONDS - 2
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 220 * time + 0.3 * np.sin(2 * np.pi * 5 * time)
    note = 0.1 * sum(np.sin(2 * np.pi * part * pitch) / part for part in range(1, 15))
    ((start, stop),) = spans(np.concatenate([np.zeros(32000), note, np.zeros(32000)]))
    assert start <= 2 and stop >= 2 + seconds


def test_spans_reach_beyond_the_speech_and_stay_within_the_recording(spoken):
    sound, _ = spoken
    words = sound[round(PAUSE * SAMPLE_RATE) :]
    told = spans(words)
    assert told[0][0] == 0.0
    for silence in (told[0][1], told[1][0]):
        assert 0 < silence < len(words) / SAMPLE_RATE
    assert told[1][0] - told[0][1] < PAUSE - BEFORE - AFTER + 0.1  # no more than they say
    assert told[1][0] - told[0][1] > SHORTEST_PAUSE


def test_long_recordings_are_looked_at_in_parts_that_agree(spoken, monkeypatch):
    sound, _ = spoken
    noisy = np.tile(sound + 0.01 * noise(len(sound) / SAMPLE_RATE), 4).astype(np.float32)
    with recording_from_waveform(noisy[None], SAMPLE_RATE) as recording:
        whole = active_frames(recording)
        monkeypatch.setattr("xdub_core.audio.energy_activity._CHUNK", 777)
        assert np.array_equal(active_frames(recording), whole)
    assert len(whole) == -(-len(noisy) // 160)


@pytest.mark.skipif(not has_silero(), reason="no silero-vad")
def test_silero_leaves_the_number_of_threads_as_it_is(spoken):
    voice_activity._silero_model.cache_clear()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        spans(spoken[0][:16000], silero=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
