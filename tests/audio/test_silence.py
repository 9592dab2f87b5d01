"""Sound that is gated, and shares of frames: all of speech, nothing of the rest, and fades between."""

import numpy as np
import pytest

from xdub_core.audio.recording import recording_from_waveform
from xdub_core.audio.silence import GATE_SECONDS, gated, shares


def test_speech_stays_bit_by_bit_and_all_else_is_digital_silence():
    sound = np.random.default_rng(0).standard_normal(48000).astype(np.float32) * 0.1
    with (
        recording_from_waveform(sound[None], 16000) as recording,
        gated(recording, [(0.5, 1.0), (2.0, 2.5)]) as gate,
    ):
        assert gate.samples == recording.samples
        quiet = gate.read(0, 48000)
    for start, stop in ((8000, 16000), (32000, 40000)):
        assert np.array_equal(quiet[start : stop + 1], sound[start : stop + 1])
    edge = round(GATE_SECONDS * 16000)
    for start, stop in ((0, 8000 - edge), (16000 + edge, 32000 - edge), (40000 + edge, 48000)):
        assert not quiet[start:stop].any()
    fading = np.abs(quiet[8000 - edge : 8000]) / np.abs(sound[8000 - edge : 8000])
    assert (np.diff(fading) > -1e-6).all()


def test_a_recording_without_speech_becomes_silence_and_one_without_pauses_stays():
    sound = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    with recording_from_waveform(sound[None], 16000) as recording:
        with gated(recording, []) as gate:
            assert (gate.mean, gate.variance, gate.samples) == (0, 0, 16000)
        with gated(recording, [(0.0, 1.0)]) as gate:
            assert np.array_equal(gate.read(0, 16000), sound)
            assert gate.variance == pytest.approx(recording.variance)


def test_shares_fade_outside_of_the_spans_only():
    times = np.arange(0, 100) / 25
    share = shares(times, [(1.0, 2.0), (2.3, 3.0)], 0.2)
    inside = ((times >= 1) & (times <= 2)) | ((times >= 2.3) & (times <= 3))
    assert (share[inside] == 1).all()
    assert share[(times <= 0.8) | (times >= 3.2)].max() < 1e-6
    between = share[(times > 2) & (times < 2.3)]
    assert (between > 0).all() and (between < 1).all()
    assert (np.diff(share[20:26]) > 0).all()
    assert share.dtype == np.float32
