"""Training the mini's VAE: pixels, edges and structure, the mouth counted several times, a touch of KL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.mini.vae_net import VAEConfig, VAENet, blocks_of
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, pick
from xdub_core.training.mini.small_network import NetworkSettings, seeded, train_network

_CHARBONNIER = 0.04
"""Below about this error (of 0..1) the pixel loss is quadratic, which is what PSNR counts."""


@dataclass(frozen=True)
class VAEExample:
    """`frames` uint8 [F, H, W, 3], F at least a window long; `mouth` [F, H, W]: 1 in the mouth's region, else 0."""

    frames: Tensor
    mouth: Tensor


@dataclass(frozen=True)
class VAELoss:
    """Weights of the VAE's losses; `mouth`: how many times more than the rest a mouth pixel counts."""

    edges: float = 0.5
    structure: float = 0.05
    mouth: float = 10.0
    kl: float = 1e-5


@dataclass(frozen=True)
class VAETraining:
    """Everything that decides what VAE comes out. `window`: frames per example, 4 k + 1."""

    network: VAEConfig = field(default_factory=VAEConfig)
    loss: VAELoss = field(default_factory=VAELoss)
    trainer: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(
            steps=1500, optimizer="muon", matrix_rate=0.02, precision="bfloat16"
        )
    )
    window: int = 13


@dataclass(frozen=True)
class VAEQuality:
    """PSNR in dB of everything and of the mouth's region alone, over examples that were not trained on."""

    psnr: float
    mouth_psnr: float


def train_vae(
    examples: Sequence[VAEExample],
    training: VAETraining,
    folder: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
    device: torch.device | str = "cpu",
) -> VAENet:
    """Train a VAE and measure its latents, so that they come out normalised.

    `examples` may render themselves when they are indexed; a step indexes as many as its batch has.
    Raises what `train` raises, SettingsError for an impossible window or no examples.
    """
    training.network.grid.latents(training.window)
    if not examples:
        raise SettingsError("training a VAE needs at least one example, but there are none")
    network = seeded(training.trainer.seed, lambda: VAENet(training.network))
    network.start_from_components(*_blocks(examples, training))

    def losses(batch: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        frames = _pixels(batch["frames"]).contiguous()
        return vae_losses(network, frames, batch["mouth"].float(), training.loss, generator)

    draw = partial(_batch, examples, training)
    train_network("codec", network, losses, draw, training.trainer, folder, on_progress, device)
    measure_latents(network, examples, training.window)
    return network


def vae_losses(
    network: VAENet, frames: Tensor, mouth: Tensor, loss: VAELoss, generator: torch.Generator
) -> dict[str, Tensor]:
    """The losses of frames [B, F, 3, H, W] in 0..1 whose mouths are marked in mouth [B, F, 1, H, W]."""
    mean, log_variance = (moment.float() for moment in network.moments(frames))
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    decoded = network.decode_video(mean + (log_variance / 2).exp() * noise).float()
    weight = 1 + loss.mouth * mouth
    weight = weight / weight.mean()
    error = decoded - frames
    edges = _differences(decoded), _differences(frames)
    edge_errors = [
        (weight[..., : a.shape[-2], : a.shape[-1]] * (a - b).abs()).mean()
        for a, b in zip(*edges, strict=True)
    ]
    kl = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
    return {
        "pixels": (weight * ((error.square() + _CHARBONNIER**2).sqrt() - _CHARBONNIER)).mean(),
        "edges": loss.edges * torch.stack(edge_errors).sum(),
        "structure": loss.structure * (1 - _structure(decoded.flatten(0, 1), frames.flatten(0, 1))),
        "kl": loss.kl * kl,
    }


@torch.no_grad()
def measure_latents(network: VAENet, examples: Sequence[VAEExample], window: int) -> None:
    """Set the network's `mean` and `scale` from the latents of some of the examples, evenly spaced.

    Normalised latents have a variance of 1 on average over the channels, but not in each: a channel's deviation goes
    with the square root of what it changes in the picture. So noise drowns what matters least first, and the flow
    loss, which counts all channels alike, cares most for what is seen most.
    """
    videos = [_video(examples[i], 0, window, network.mean.device) for i in _some(examples)]
    latents = [network.moments(video)[0] for video in videos]
    values = torch.cat([z.transpose(0, 1).flatten(1) for z in latents], dim=1)  # [C, all]
    deviation = values.std(dim=1).clamp(min=1e-3)
    share = _visibility(network, latents[:: max(1, len(latents) // 8)], deviation).sqrt()
    network.mean.copy_(values.mean(dim=1))
    network.scale.copy_(deviation * share.square().mean().sqrt() / share)


def _visibility(network: VAENet, latents: Sequence[Tensor], deviation: Tensor) -> Tensor:
    """How much the picture changes when a channel alone is disturbed by its deviation: RMS of pixels, [C]."""
    video = torch.cat(list(latents))
    plain = network.decode_video(video)
    noise = torch.randn(video[:, 0].shape, generator=torch.Generator().manual_seed(0)).to(video)
    changes = []
    for channel, size in enumerate(deviation):
        disturbed = video.clone()
        disturbed[:, channel] += size * noise
        changes.append((network.decode_video(disturbed) - plain).square().mean().sqrt())
    return torch.stack(changes).clamp(min=1e-5)


@torch.no_grad()
def vae_quality(network: VAENet, examples: Sequence[VAEExample], window: int = 13) -> VAEQuality:
    """How well frames come through: PSNR over all examples' first `window` frames."""
    squared, mouth_squared, mouth_pixels = [], 0.0, 0.0
    for example in examples:
        frames = _video(example, 0, window, network.mean.device)
        error = (network.decode_video(network.moments(frames)[0]).clamp(0, 1) - frames).square().mean(2)
        mouth = example.mouth[None, :window].to(error)
        squared.append(error.mean())
        mouth_squared += float((error * mouth).sum())
        mouth_pixels += float(mouth.sum())
    mouth_error = torch.tensor(mouth_squared / max(mouth_pixels, 1.0))
    return VAEQuality(_psnr(torch.stack(squared).mean()), _psnr(mouth_error))


def _batch(examples: Sequence[VAEExample], training: VAETraining, generator: torch.Generator) -> Batch:
    videos, mouths = [], []
    for index in pick(len(examples), training.trainer.batch_size, generator):
        example = examples[index]
        room = len(example.frames) - training.window
        if room < 0:
            raise SettingsError(
                f"a VAE example of {len(example.frames)} frames is shorter than the window of {training.window}"
            )
        start = int(torch.randint(room + 1, (1,), generator=generator))
        videos.append(example.frames[start : start + training.window])
        mouths.append(example.mouth[start : start + training.window, None])
    return {"frames": torch.stack(videos), "mouth": torch.stack(mouths)}


def _some(examples: Sequence[VAEExample], count: int = 64) -> range:
    return range(0, len(examples), max(1, len(examples) // count))


def _blocks(examples: Sequence[VAEExample], training: VAETraining) -> tuple[Tensor, Tensor]:
    """Blocks of some of the examples, and their weights: those of the mouth count more."""
    blocks, weights = [], []
    for index in _some(examples):
        example = examples[index]
        blocks.append(blocks_of(2 * _video(example, 0, training.window, "cpu") - 1))
        mouth = example.mouth[None, : training.window, None].float()
        weights.append(1 + training.loss.mouth * blocks_of(mouth).mean(1))
    return torch.cat(blocks), torch.cat(weights)


def _video(example: VAEExample, start: int, window: int, device: torch.device | str) -> Tensor:
    return _pixels(example.frames[None, start : start + window].to(device))


def _pixels(frames: Tensor) -> Tensor:
    """uint8 [B, F, H, W, 3] -> float32 [B, F, 3, H, W] in 0..1."""
    return frames.permute(0, 1, 4, 2, 3).float() / 255


def _differences(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def _structure(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of pictures [N, 3, H, W] in 0..1 over plain 8x8 windows, 4 apart: cheap, for training only."""
    means = [F.avg_pool2d(x, 8, 4) for x in (a, b, a * a, b * b, a * b)]
    mean_a, mean_b = means[:2]
    variance_a, variance_b = means[2] - mean_a**2, means[3] - mean_b**2
    covariance = means[4] - mean_a * mean_b
    light = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return (light * (2 * covariance + 9e-4) / (variance_a + variance_b + 9e-4)).mean()


def _psnr(squared_error: Tensor) -> float:
    return float(-10 * squared_error.clamp(min=1e-10).log10())
