"""Training the codec's decoder on what the editor makes: latents that are a little off, where they should have been.

A small editor's latents never are quite those of a picture, and a decoder that has only met encoded pictures draws the
difference as stains and blocks. So it learns to draw what was meant: dubs of training clips, whose true pictures the
renderer knows. The encoder stays as it is, and so does what the latents mean to everyone else. (The paper leaves its
VAE alone; this is the mini's own.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import audio_windows
from xdub_core.errors import SettingsError
from xdub_core.mini.codec import MiniCodec
from xdub_core.mini.codec_net import CodecNet
from xdub_core.mini.codec_training import CodecLoss, picture_losses
from xdub_core.mini.fitting import FitCallback, FitSettings, fit, ignore_fit, pick
from xdub_core.sampling.denoiser import Denoiser
from xdub_core.sampling.plan import ClipGeometry, plan_clips
from xdub_core.sampling.sampler import ClipInputs, SamplerSettings, sample_clip


@dataclass(frozen=True)
class DubbedWindows:
    """n dubbed clips with what they should have shown.

    `latents` [n, C, f, h, w]: normalised, as the editor sampled them. `frames` uint8 [n, F, S, S, 3]: the true dubs.
    `weight` [n, F, S, S] 0..1: where the picture counts more.
    """

    latents: Tensor
    frames: Tensor
    weight: Tensor


@dataclass(frozen=True)
class DecoderTraining:
    """How the decoder is trained on: half of each batch are dubs, the other half the same clips' true latents."""

    loss: CodecLoss = field(default_factory=CodecLoss)
    fit: FitSettings = field(
        default_factory=lambda: FitSettings(
            steps=400,
            batch=8,
            learning_rate=3e-4,
            matrix_rate=0.004,
            warmup=20,
            save_every=100,
            autocast=True,
        )
    )


@dataclass(frozen=True)
class DubbedClip:
    """What `dub_windows` needs of one clip: `source` and `truth` uint8 [F, S, S, 3], `weight` [F, S, S] 0..1, the true
    dub's `features` and the row, in frames, of its first frame."""

    source: Tensor
    truth: Tensor
    weight: Tensor
    features: AudioFeatures
    first: int


@torch.no_grad()
def dub_windows(
    denoiser: Denoiser,
    codec: MiniCodec,
    clips: Sequence[DubbedClip],
    geometry: ClipGeometry,
    sampler: SamplerSettings,
) -> DubbedWindows:
    """Equally long clips dubbed as one batch, each window going on from the pictures of the one before.

    Frames at the end that do not fill a window are left out. The sampler's seed fixes the noise.
    """
    length = len(clips[0].source)
    source = torch.stack([clip.source for clip in clips]).float() / 255
    truth, weight = (torch.stack([getattr(clip, name) for clip in clips]) for name in ("truth", "weight"))
    latents, frames, weights = [], [], []
    motion: Tensor | None = None
    for window in plan_clips(length, geometry=geometry):
        if window.stop > length:
            break
        span = slice(window.start, window.stop)
        audio = torch.stack(
            [audio_windows(clip.features, clip.first + window.start, geometry.latents) for clip in clips]
        )
        inputs = ClipInputs(codec.encode_batch(source[:, span]), audio, motion)
        sampled = sample_clip(denoiser, inputs, replace(sampler, seed=sampler.seed + window.index))
        shown = codec.decode_batch(sampled).clamp(0, 1)
        motion = codec.encode_batch(shown[:, -geometry.motion_frames :])
        latents.append(sampled)
        frames.append(truth[:, span])
        weights.append(weight[:, span])
    return DubbedWindows(torch.cat(latents), torch.cat(frames), torch.cat(weights))


def train_decoder(
    network: CodecNet,
    examples: DubbedWindows,
    training: DecoderTraining,
    state_file: Path | None = None,
    on_progress: FitCallback = ignore_fit,
) -> None:
    """Train the decoder of `network`, and nothing else of it, in place. Raises what `fit` raises; SettingsError without
    examples."""
    if not len(examples.latents):
        raise SettingsError("training the decoder needs at least one dubbed window, but there are none")
    decoder = Decoder(network).requires_grad_(True)

    def step(generator: torch.Generator) -> Mapping[str, Tensor]:
        chosen = pick(len(examples.latents), training.fit.batch, generator)
        frames = examples.frames[chosen].to(network.mean.device).permute(0, 1, 4, 2, 3).float() / 255
        weight = examples.weight[chosen].to(frames)[:, :, None]
        dubbed = network.denormalise(examples.latents[chosen].to(frames))
        real = torch.arange(len(chosen)) % 2 == 1
        with torch.no_grad():
            dubbed[real] = network.moments(frames[real])[0]
        return picture_losses(decoder(dubbed).float(), frames, weight, training.loss)

    fit("decoder", decoder, step, training.fit, state_file, on_progress)
    decoder.requires_grad_(False)


class Decoder(nn.Module):
    """The half of a codec that draws, sharing its weights."""

    def __init__(self, network: CodecNet) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(dict(network.decoder_parts()))
        self._decode = network.decode_video

    def forward(self, latents: Tensor) -> Tensor:
        """Latents of whole videos [B, C, f, h, w], not normalised -> frames [B, F, 3, H, W]."""
        return self._decode(latents)
