"""Tiny seeded encoders in the real file formats."""

from __future__ import annotations

import pytest
import torch

from tests.audio.sounds import speech_like
from xdub_core.audio.recording import recording_from_waveform


def seeded(model):
    """Fill a model's parameters with small seeded numbers; norms' weights stay near 1."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            fan_in = max(1, parameter[0].numel())
            if parameter.ndim > 1:
                parameter.copy_(noise * fan_in**-0.5)
            else:
                parameter.copy_(0.1 * noise + (1 if name.endswith("weight") else 0))
    return model.eval()


@pytest.fixture(scope="session")
def hf_whisper():
    """A tiny transformers WhisperModel: 16 wide, 2 blocks, chunks of 100 mel frames."""
    from transformers import WhisperConfig, WhisperModel

    config = WhisperConfig(
        vocab_size=12,
        num_mel_bins=80,
        max_source_positions=50,
        max_target_positions=8,
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=40,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return seeded(WhisperModel(config))


@pytest.fixture(scope="session")
def hf_wav2vec():
    """A tiny transformers Wav2Vec2Model of base-960h's kind: group norm, 16 wide, 2 blocks."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    return seeded(Wav2Vec2Model(config))


@pytest.fixture(scope="session")
def sound():
    """Four seconds of sound whose loudness and mean wander, float32 [n]."""
    return speech_like(4.0) + 0.02


@pytest.fixture
def recording(sound):
    with recording_from_waveform(sound[None], 16000) as opened:
        yield opened
