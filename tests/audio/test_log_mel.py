"""Whisper's log-mel spectrogram, block by block."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.audio.sounds import speech_like
from xdub_core.audio import log_mel
from xdub_core.audio.log_mel import LogMel, hertz_to_mel, mel_filters, mel_to_hertz
from xdub_core.audio.recording import recording_from_waveform


def one_pass(sound):
    """The definition, over the whole sound at once."""
    spectrum = torch.stft(
        torch.from_numpy(sound), 400, 160, window=torch.hann_window(400), return_complex=True
    )
    energies = mel_filters() @ spectrum[:, :-1].abs().square()
    logarithm = energies.clamp(min=1e-10).log10()
    return (torch.maximum(logarithm, logarithm.max() - 8) + 4) / 4


def test_mel_filters_are_librosas():
    from transformers.audio_utils import mel_filter_bank

    expected = mel_filter_bank(201, 80, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney").T
    np.testing.assert_allclose(mel_filters().numpy(), expected, atol=1e-7)


def test_the_mel_scale_inverts():
    hertz = np.array([0.0, 200.0, 999.0, 1000.0, 1001.0, 8000.0])
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz)


@pytest.mark.parametrize("samples", [400, 401, 559, 560, 16000, 32123])
def test_blocks_equal_one_pass(monkeypatch, samples):
    monkeypatch.setattr(log_mel, "BLOCK_FRAMES", 37)
    sound = speech_like(samples / 16000)
    with recording_from_waveform(sound[None], 16000) as recording:
        mel = LogMel(recording)
        expected = one_pass(sound)
        assert mel.frames == expected.shape[1] == samples // 160
        middle = mel.frames // 2
        blocks = torch.cat([mel.read(0, middle), mel.read(middle, mel.frames)], dim=1)
    torch.testing.assert_close(blocks, expected, atol=1e-5, rtol=0)


def test_the_floor_is_the_whole_recordings():
    quiet_then_loud = np.concatenate([np.full(16000, 1e-6), speech_like(1.0)]).astype(np.float32)
    with recording_from_waveform(quiet_then_loud[None], 16000) as recording:
        mel = LogMel(recording)
        whole = mel.read(0, mel.frames)
        assert mel.read(0, 50).min() == whole.min() == pytest.approx(whole.max().item() - 2)


def test_padding_is_heard_as_silence(sound):
    with recording_from_waveform(sound[None], 16000) as recording:
        mel = LogMel(recording.padded(80_000))
        whole = np.concatenate([sound, np.zeros(16_000, np.float32)])
        torch.testing.assert_close(mel.read(0, 500), one_pass(whole), atol=1e-5, rtol=0)


def test_silence_gives_finite_values():
    with recording_from_waveform(np.zeros((1, 1600), np.float32), 16000) as recording:
        assert torch.equal(LogMel(recording).read(0, 10), torch.full((80, 10), -1.5))
