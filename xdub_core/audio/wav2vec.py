"""wav2vec2 over recordings of any length in bounded memory: 50 features a second (released model §3).

wav2vec2 hears the whole recording at three points. Two of them are kept exact here at any length:

- the input's zero mean and unit variance come from the recording's own statistics;
- the group norm after the first convolution normalises each channel over all of time. That convolution has one input
  channel, so its outputs' mean and variance follow from the first and second moments of its input windows,
  `mean = w·mu + b, var = w' C w`: one cheap pass over the recording, and the convolutions are exact in blocks.

The third is the transformer's attention over all of time. Up to `ChunkPlan.one_pass_rows` it runs in one pass,
exactly as the released X-Dub does; beyond, in overlapping chunks (see `ChunkPlan` for how far that is from one pass).
transformers' own forward knows one pass only, of whatever length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from xdub_core.audio.recording import Recording
from xdub_core.errors import MediaError

_VARIANCE_FLOOR = 1e-7  # inside the square root of the input's normalisation
_BLOCK_ROWS = (
    500  # rows per run of the convolutions: 10 s, about 70 MB per activation at wav2vec2-base's width
)


@dataclass(frozen=True)
class ChunkPlan:
    """How the transformer walks over a long recording, in rows of 1/50 s.

    Only its attention hears less than it would in one pass; all else is exact. Measured on ten minutes of sound with
    these defaults, the largest difference from the one-pass result, as a fraction of the largest feature, was 6e-5
    with the goldens' small encoder, and 1.5e-2 (0.6% root mean square) with larger random weights, whose attention
    spreads over the whole recording: the hardest case. Without context both are above 0.2. Trained weights, which
    attend mostly nearby, have not been measured.

    One pass of five minutes takes 0.6 GB at wav2vec2-base's width. A longer one takes memory in proportion, and time
    by the square.

    Attributes:
        one_pass_rows: a recording of at most so many rows (five minutes) is done in one pass, exactly.
        core_rows: rows that each chunk of a longer one contributes.
        context_rows: rows of sound that a chunk also hears on either side.
    """

    one_pass_rows: int = 15000
    core_rows: int = 12000
    context_rows: int = 1500

    def chunk_rows(self, rows: int) -> int:
        """Rows per chunk for a recording of `rows`."""
        return rows if rows <= self.one_pass_rows else self.core_rows


@dataclass(frozen=True)
class SoundNorm:
    """What the encoder must know of the whole recording before it can work on a part of it.

    Attributes:
        shift, scale: the input becomes (x - shift) * scale.
        channel_mean, channel_variance: [C] of the first convolution's outputs over all of time; None for models
            that have no group norm.
    """

    shift: float
    scale: float
    channel_mean: torch.Tensor | None = None
    channel_variance: torch.Tensor | None = None


class Wav2VecEncoder(nn.Module):
    """wav2vec2 as a feature extractor: samples in, last hidden states out.

    Parameters may be moved, cast or offloaded by a host at any time: each call follows where they are.

    Args:
        config: transformers' Wav2Vec2Config.
        normalize: bring the input to zero mean and unit variance (`do_normalize`, True for base-960h).
    """

    def __init__(self, config: Any, normalize: bool = True) -> None:
        super().__init__()
        from transformers.models.wav2vec2 import Wav2Vec2Model

        self.model: Any = Wav2Vec2Model(config)
        self.normalize = normalize
        self.kernels = tuple(config.conv_kernel)
        self.strides = tuple(config.conv_stride)
        self.eval().requires_grad_(False)

    @property
    def width(self) -> int:
        """Values per row of features."""
        return int(self.model.config.hidden_size)

    @property
    def stride(self) -> int:
        """Samples from one row to the next (320)."""
        return int(np.prod(self.strides))

    @property
    def receptive_field(self) -> int:
        """Samples that one row is computed from before the transformer (400)."""
        field = 1
        for kernel, stride in zip(self.kernels[::-1], self.strides[::-1], strict=True):
            field = (field - 1) * stride + kernel
        return field

    def rows(self, samples: int) -> int:
        """Rows of features of so many samples."""
        return max(0, (samples - self.receptive_field) // self.stride + 1)

    def sound_norm(self, recording: Recording) -> SoundNorm:
        """Gather what later calls need to know of the whole recording, in one streaming pass over it.

        Raises:
            MediaError: the recording is too short for one row.
        """
        if not self.rows(recording.samples):
            raise MediaError(
                f"{recording.name} is too short: {recording.samples} samples at 16 kHz, "
                f"at least {self.receptive_field} are needed."
            )
        norm = SoundNorm(0.0, 1.0)
        if self.normalize:
            norm = SoundNorm(recording.mean, 1 / float(np.sqrt(recording.variance + _VARIANCE_FLOOR)))
        if self.model.config.feat_extract_norm != "group":
            return norm
        mean, covariance = window_moments(
            (norm.scale * (block.astype(np.float64) - norm.shift) for block in recording.blocks()),
            self.kernels[0],
            self.strides[0],
        )
        conv = self.model.feature_extractor.conv_layers[0].conv
        weight = conv.weight.cpu().double()[:, 0]  # [C, kernel]
        bias = 0 if conv.bias is None else conv.bias.cpu().double()
        variance = ((weight @ torch.from_numpy(covariance)) * weight).sum(dim=1)
        return SoundNorm(norm.shift, norm.scale, weight @ torch.from_numpy(mean) + bias, variance)

    @torch.no_grad()
    def encode(
        self, recording: Recording, norm: SoundNorm, start: int, stop: int, context: int = 0
    ) -> torch.Tensor:
        """Features of rows [start, stop) as the transformer hears them with `context` more rows on either side.

        Args:
            recording: the sound, and `norm` its `sound_norm`.
            start, stop: rows within 0..rows(samples).
            context: rows heard before and after, as far as the recording goes.

        Returns:
            float32 [stop - start, width] on the CPU.
        """
        first = max(0, start - context)
        last = min(self.rows(recording.samples), stop + context)
        blocks = [
            self._projected(recording, norm, block, min(block + _BLOCK_ROWS, last))
            for block in range(first, last, _BLOCK_ROWS)
        ]
        hidden = self.model.encoder(torch.cat(blocks, dim=1)).last_hidden_state[0]
        return hidden[start - first : stop - first].float().cpu()

    def _projected(self, recording: Recording, norm: SoundNorm, start: int, stop: int) -> torch.Tensor:
        """The transformer's input [1, n, width] for rows [start, stop): exact, whatever is cut around them."""
        samples = recording.read(self.stride * start, self.stride * (stop - 1) + self.receptive_field)
        weight = self.model.feature_extractor.conv_layers[0].conv.weight
        sound = torch.from_numpy((samples.astype(np.float64) - norm.shift) * norm.scale)
        hidden = sound.to(device=weight.device, dtype=weight.dtype)[None, None]
        first, *others = self.model.feature_extractor.conv_layers
        hidden = first(hidden) if norm.channel_mean is None else _first_layer(first, hidden, norm)
        for layer in others:
            hidden = layer(hidden)
        return self.model.feature_projection(hidden.transpose(1, 2))[0]


def window_moments(blocks: Iterator[np.ndarray], kernel: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean [kernel] and population covariance [kernel, kernel] of all windows of a signal, in one streaming pass.

    Args:
        blocks: the signal in order, float64 [n] each; about zero mean, so that sums do not cancel.
        kernel, stride: length of a window, and the step from one to the next.
    """
    count = 0
    total = np.zeros(kernel)
    products = np.zeros((kernel, kernel))
    rest = np.zeros(0)
    for block in blocks:
        rest = np.concatenate([rest, block])
        if rest.size < kernel:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(rest, kernel)[::stride]
        count += len(windows)
        total += windows.sum(axis=0)
        products += windows.T @ windows
        rest = rest[len(windows) * stride :]
    mean = total / count
    return mean, products / count - np.outer(mean, mean)


def _first_layer(layer: Any, sound: torch.Tensor, norm: SoundNorm) -> torch.Tensor:
    """Convolution, group norm with the whole recording's statistics, activation: [1, 1, n] -> [1, C, n']."""
    assert norm.channel_mean is not None and norm.channel_variance is not None
    group_norm = layer.layer_norm
    hidden = layer.conv(sound)
    scale = group_norm.weight.cpu().double() / torch.sqrt(norm.channel_variance.clamp(min=0) + group_norm.eps)
    shift = group_norm.bias.cpu().double() - norm.channel_mean * scale
    return layer.activation(torch.addcmul(shift.to(hidden)[:, None], hidden, scale.to(hidden)[:, None]))
