"""The mini's audio encoder: a small phoneme recogniser, whose last hidden layer is the audio features.

    log-mel, 100 a second - stride 2 - dilated residual convolutions - 64 features, 50 a second -+- phonemes
                                                                                                 +- the mouth

It takes the place of the released model's Whisper and wav2vec2. Its features are a linear map away from the phoneme
that sounds and from the mouth that says it, and have a receptive field of 0.46 s to either side, for co-articulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.audio.features import ChunkedFeatures, TensorFeatures
from xdub_core.audio.log_mel import LogMel
from xdub_core.audio.recording import SAMPLE_RATE, Recording, recording_from_waveform
from xdub_core.mini.labels import MOUTH_PARAMETERS

CHUNK_ROWS = 1500
_KERNEL = 3
_STEM_ROWS = 1  # rows to either side in the first convolution's receptive field


@dataclass(frozen=True)
class PhonemeConfig:
    """Sizes of the recogniser. `phonemes`: how many classes there are; `width`: of the features."""

    phonemes: int
    width: int = 64
    hidden: int = 160
    mels: int = 80
    dilations: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)

    @property
    def context_rows(self) -> int:
        """Rows to either side that a row of features depends on."""
        return _STEM_ROWS + sum(dilation * (_KERNEL - 1) // 2 for dilation in self.dilations)


class PhonemeNet(nn.Module):
    """The recogniser. `mean` and `scale` normalise its features; training measures them."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: PhonemeConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv1d(config.mels, config.hidden, 4, stride=2, padding=1)
        self.layers = nn.ModuleList(_Layer(config.hidden, dilation) for dilation in config.dilations)
        self.to_features = nn.Linear(config.hidden, config.width)
        self.to_phonemes = nn.Linear(config.width, config.phonemes)
        self.to_mouth = nn.Linear(config.width, len(MOUTH_PARAMETERS))
        self.register_buffer("mean", torch.zeros(config.width))
        self.register_buffer("scale", torch.ones(config.width))

    def hidden_features(self, log_mel: Tensor) -> Tensor:
        """log-mel [B, mels, 2 n] as `LogMel.read` gives it -> features [B, n, width], not normalised."""
        x = self.stem(log_mel)
        for layer in self.layers:
            x = layer(x)
        return self.to_features(x.transpose(1, 2))

    def features(self, log_mel: Tensor) -> Tensor:
        """log-mel [B, mels, 2 n] -> features [B, n, width] of about zero mean and unit variance."""
        return (self.hidden_features(log_mel) - self.mean) / self.scale

    def forward(self, log_mel: Tensor) -> Tensor:
        """log-mel [B, mels, 2 n] -> logits of the phonemes [B, n, phonemes]."""
        return self.to_phonemes(self.hidden_features(log_mel))


class _Layer(nn.Module):
    """A dilated convolution around which the signal is handed on; every row is normalised by itself."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, _KERNEL, dilation=dilation, padding=dilation * (_KERNEL - 1) // 2)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.out(F.gelu(self.mix(y)))


class MiniFeatures(ChunkedFeatures):
    """The mini's `AudioFeatures` of a recording: computed chunk by chunk when they are read.

    Chunks are computed with the context that their edges depend on, so they come out as from one pass. The recording
    must stay open meanwhile. Rows: two mel frames each, samples // 160 // 2.
    """

    def __init__(self, recording: Recording, network: PhonemeNet, chunk_rows: int = CHUNK_ROWS) -> None:
        self._log_mel = LogMel(recording, network.config.mels)
        self._network = network.eval()
        super().__init__(self._log_mel.frames // 2, network.config.width, chunk_rows, self._chunk_features)

    @torch.no_grad()
    def _chunk_features(self, start: int, stop: int) -> Tensor:
        context = self._network.config.context_rows
        first, last = max(0, start - context), min(self.rows, stop + context)
        log_mel = self._log_mel.read(2 * first, 2 * last).to(self._network.mean.device)
        return self._network.features(log_mel[None])[0, start - first : stop - first].float().cpu()


def waveform_features(samples: np.ndarray, network: PhonemeNet) -> TensorFeatures:
    """The features of a whole short sound, float32 [samples] at 16 kHz, in memory."""
    with recording_from_waveform(samples[None], SAMPLE_RATE) as recording:
        features = MiniFeatures(recording, network)
        return TensorFeatures(features.read(0, features.rows))
