"""The phoneme recogniser: learns sounds, and its features do not depend on how they are chunked."""

import numpy as np
import pytest
import torch

from xdub_core.audio.log_mel import LogMel
from xdub_core.audio.recording import recording_from_waveform
from xdub_core.errors import SettingsError
from xdub_core.mini.labels import MOUTH_PARAMETERS
from xdub_core.mini.phonemes import MiniFeatures, PhonemeConfig, PhonemeNet
from xdub_core.training.mini.phoneme_training import (
    UNKNOWN,
    PhonemeTraining,
    SpeechExample,
    phoneme_accuracy,
    train_phonemes,
)
from xdub_core.training.mini.small_network import NetworkSettings

TONES = (0.0, 300.0, 900.0, 2500.0)  # Hz; the first is silence
TINY = PhonemeConfig(phonemes=4, width=8, hidden=24, dilations=(1, 2))


def tones(seed, rows=150):
    """Sound of random tones, 5 to 15 rows each, which one sounds in each row, and a mouth that opens with it."""
    rng = np.random.default_rng(seed)
    ids = np.concatenate([np.full(rng.integers(5, 16), rng.integers(len(TONES))) for _ in range(rows)])[:rows]
    hertz = np.repeat(np.array(TONES)[ids], 320)
    sound = 0.3 * rng.uniform(0.3, 1) * np.sin(2 * np.pi * np.cumsum(hertz) / 16000) * (hertz > 0)
    mouth = np.repeat(ids[:, None] / len(TONES), len(MOUTH_PARAMETERS), axis=1).astype(np.float32)
    return SpeechExample((sound + 1e-4 * rng.standard_normal(len(sound))).astype(np.float32), ids, mouth)


@pytest.fixture(scope="module")
def trained():
    settings = NetworkSettings(steps=60, batch_size=8, learning_rate=5e-3, warmup=5)
    return train_phonemes(
        [tones(seed) for seed in range(8)], PhonemeTraining(TINY, settings, rows=100, noise=2.0)
    )


def test_recognises_unseen_speech(trained):
    assert phoneme_accuracy(trained, [tones(seed) for seed in range(50, 53)]) > 0.85


def test_features_tell_the_mouth(trained):
    example = tones(51)
    with recording_from_waveform(example.waveform[None], 16000) as recording:
        log_mel = LogMel(recording, TINY.mels).read(0, 300)
    with torch.no_grad():
        told = trained.to_mouth(trained.hidden_features(log_mel[None]))[0]
    assert told.shape == (150, len(MOUTH_PARAMETERS))
    apart = (told.numpy() - example.mouth).std()
    assert apart < 0.7 * example.mouth.std()


def test_a_mouth_that_is_not_known_teaches_nothing():
    settings = NetworkSettings(steps=2, batch_size=2, warmup=1)
    losses = []
    unknown = [SpeechExample(tones(seed).waveform, tones(seed).phonemes) for seed in range(2)]
    train_phonemes(
        unknown, PhonemeTraining(TINY, settings), on_progress=lambda p: losses.append(p.losses["mouth"])
    )
    assert losses == [0, 0]
    train_phonemes(
        [tones(0)], PhonemeTraining(TINY, settings), on_progress=lambda p: losses.append(p.losses["mouth"])
    )
    assert min(losses[2:]) > 0


def test_untrained_it_guesses():
    torch.manual_seed(0)
    assert phoneme_accuracy(PhonemeNet(TINY), [tones(50)]) < 0.6


def test_unknown_rows_are_not_counted():
    torch.manual_seed(0)
    network, example = PhonemeNet(TINY), tones(1)
    assert phoneme_accuracy(network, [SpeechExample(example.waveform, np.full(150, UNKNOWN))]) == 0


def test_features_are_normalised_and_follow_the_sound(trained):
    example = tones(60)
    with recording_from_waveform(example.waveform[None], 16000) as recording:
        features = MiniFeatures(recording, trained)
        rows = features.read(0, features.rows)
    assert rows.shape == (150, 8)
    assert rows.mean().abs() < 0.3
    assert 0.6 < rows.std() < 1.5
    centres = torch.stack([rows[torch.from_numpy(example.phonemes == i)].mean(0) for i in range(4)])
    assert torch.pdist(centres).min() > 0.5


@pytest.mark.parametrize("chunk_rows", [7, 64])
def test_chunks_come_out_as_from_one_pass(trained, chunk_rows):
    with recording_from_waveform(tones(3).waveform[None], 16000) as recording:
        whole = MiniFeatures(recording, trained)
        pieces = MiniFeatures(recording, trained, chunk_rows=chunk_rows)
        torch.testing.assert_close(pieces.read(-3, 155), whole.read(-3, 155), rtol=0, atol=1e-4)


def test_context_covers_what_a_row_depends_on():
    torch.manual_seed(0)
    network = PhonemeNet(TINY).eval()
    log_mel = torch.randn(1, 80, 80)
    changed = log_mel.clone()
    changed[:, :, 2 * 20] += 1
    moved = (network.features(log_mel) - network.features(changed)).abs().sum(2)[0].nonzero()[:, 0]
    reach = TINY.context_rows
    assert 20 - reach <= moved.min() < 20 < moved.max() <= 20 + reach


def test_the_sound_must_be_a_little_longer_than_its_features_need(trained):
    with recording_from_waveform(np.zeros((1, 16000), np.float32), 16000) as silence:
        features = MiniFeatures(silence, trained)
        assert features.rows == 50
        assert torch.isfinite(features.read(0, 50)).all()


def test_refuses_ids_without_a_class_and_no_examples():
    with pytest.raises(SettingsError, match="phoneme 9"):
        train_phonemes([SpeechExample(tones(0).waveform, np.full(150, 9))], PhonemeTraining(TINY))
    with pytest.raises(SettingsError, match="at least one"):
        train_phonemes([], PhonemeTraining(TINY))
