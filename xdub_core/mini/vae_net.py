"""The mini's VAE as a network: a causal convolutional VAE, 8x in space and 4x in time.

Pixels are folded into channels first, so that nearly all work is done at an eighth of the resolution:

    frames - fold 4x4 - stride 2 - block - 4 frames to one - block - mean, variance        (each latent by itself)
    latent and the one before - block - one to 4 frames - block - unfold 2x2 - blocks - unfold 4x4 - frames

Beside either path lies a linear one, which begins as the cosine VAE's, or better, as the principal components of
the training pictures (`start_from_components`): training has to find only what they lack. The first frame of a video
stands for four equal ones, so a still picture makes equal latents. The decoder's input is a latent and the one before
(for the first, itself), which is all the past that a stream has to keep.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xdub_core.errors import SettingsError
from xdub_core.vae.cosine import CosineVAE
from xdub_core.vae.grid import LatentGrid

_FOLD = 4
SPATIAL = 2 * _FOLD
TEMPORAL = 4
_MAX_LOG_VARIANCE = 4.0
_FIRST_LOG_VARIANCE = -6.0
_QUIET = 3.0  # a block begins by adding about 0.3 of a signal's size


@dataclass(frozen=True)
class VAEConfig:
    """Widths of the VAE's layers. `channels`: of the latents; the rest in the order of the module's drawing."""

    channels: int = 48
    frame_width: int = 96
    latent_width: int = 88
    decoder_width: int = 160
    decoder_frame_width: int = 80
    fine_width: int = 40
    fine_blocks: int = 2

    @property
    def grid(self) -> LatentGrid:
        """That of its latents."""
        return LatentGrid(self.channels, TEMPORAL, SPATIAL)


class Block(nn.Module):
    """A residual block of two 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


class VAENet(nn.Module):
    """The VAE's weights; `MiniVAE` makes a `VideoVAE` of it. `mean` and `scale` normalise its latents."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        c, pixels = config, 3 * _FOLD**2
        self.fold = nn.Conv2d(pixels, c.frame_width, 3, stride=2, padding=1)
        self.frame_block = Block(c.frame_width)
        self.join = nn.Conv2d(TEMPORAL * c.frame_width, c.latent_width, 1)
        self.latent_block = Block(c.latent_width)
        self.to_latent = nn.Conv2d(c.latent_width, 2 * c.channels, 3, padding=1)
        self.from_latent = nn.Conv2d(2 * c.channels, c.decoder_width, 3, padding=1)
        self.decoder_block = Block(c.decoder_width)
        self.part = nn.Conv2d(c.decoder_width, TEMPORAL * c.decoder_frame_width, 1)
        self.decoder_frame_block = Block(c.decoder_frame_width)
        self.unfold = nn.Conv2d(c.decoder_frame_width, 4 * c.fine_width, 3, padding=1)
        self.fine_blocks = nn.Sequential(*(Block(c.fine_width) for _ in range(c.fine_blocks)))
        self.to_pixels = nn.Conv2d(c.fine_width, pixels, 3, padding=1)
        self.linear_encoder = nn.Conv2d(TEMPORAL * 3 * SPATIAL**2, c.channels, 1)
        self.linear_decoder = nn.Conv2d(c.channels, TEMPORAL * 3 * SPATIAL**2, 1)
        self._initialise()
        self.register_buffer("mean", torch.zeros(c.channels))
        self.register_buffer("scale", torch.ones(c.channels))

    def _initialise(self) -> None:
        """The linear paths as the cosine VAE, the others silent; latents with little noise."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # all of them have one
        for module in self.modules():
            if isinstance(module, Block):
                nn.init.kaiming_normal_(module.second.weight, a=_QUIET)
        for silent in (self.to_latent, self.to_pixels):
            nn.init.zeros_(silent.weight)
        _, log_variance = self.to_latent.bias.data.chunk(2)  # type: ignore[union-attr]
        log_variance.fill_(_FIRST_LOG_VARIANCE)
        basis = _cosine_basis(self.config.channels)
        self.linear_decoder.weight.data.copy_(basis.T[:, :, None, None])
        self.linear_encoder.weight.data.copy_((basis / basis.square().sum(1, keepdim=True))[:, :, None, None])

    def moments(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, F, 3, H, W] in 0..1, F = 4 (f - 1) + 1 -> mean and log variance [B, C, f, h, w], as they are."""
        batch = frames.shape[0]
        pixels = 2 * frames.flatten(0, 1) - 1
        x = F.pixel_unshuffle(pixels, _FOLD).contiguous(memory_format=torch.channels_last)
        x = F.silu(_four_to_one(self.frame_block(self.fold(x)), batch))
        x = self.to_latent(F.silu(self.latent_block(self.join(x))))  # [B f, 2 C, h, w]
        mean, log_variance = x.chunk(2, dim=1)
        mean = mean + self.linear_encoder(_four_to_one(F.pixel_unshuffle(pixels, SPATIAL), batch))
        mean, log_variance = (m.unflatten(0, (batch, -1)).transpose(1, 2) for m in (mean, log_variance))
        return mean, log_variance.clamp(-20, _MAX_LOG_VARIANCE)

    def reconstruct(self, latents: Tensor, before: Tensor | None = None) -> Tensor:
        """Latents [B, C, f, h, w], not normalised -> frames [B, 4 f, 3, H, W], about 0..1, not clamped.

        `before` [B, C, 1, h, w] is the latent that went before them; None at the beginning of a video, where the
        first three frames are the first frame's stand-ins and to be left out (`decode_video` does).
        """
        past = latents[:, :, :1] if before is None else before
        pairs = torch.cat([torch.cat([past, latents[:, :, :-1]], dim=2), latents], dim=1)
        batch, _, count = pairs.shape[:3]
        x = pairs.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = self.part(F.silu(self.decoder_block(self.from_latent(x))))
        x = x.unflatten(1, (TEMPORAL, -1)).flatten(0, 1)  # [B f 4, width, h, w]
        x = F.pixel_shuffle(self.unfold(F.silu(self.decoder_frame_block(x))), 2)
        x = F.pixel_shuffle(self.to_pixels(F.silu(self.fine_blocks(x))), _FOLD)
        linear = self.linear_decoder(latents.transpose(1, 2).flatten(0, 1)).unflatten(1, (TEMPORAL, -1))
        x = x + F.pixel_shuffle(linear.flatten(0, 1), SPATIAL)
        return (x.unflatten(0, (batch, count * TEMPORAL)) + 1) / 2

    def decode_video(self, latents: Tensor) -> Tensor:
        """Latents of whole videos -> frames [B, 4 (f - 1) + 1, 3, H, W]; of the first four the last one counts."""
        return self.reconstruct(latents)[:, TEMPORAL - 1 :]

    @torch.no_grad()
    def start_from_components(self, blocks: Tensor, weight: Tensor) -> None:
        """Let the linear paths be the principal components of `blocks` [n, 768] (see `blocks_of`), weighted by [n].

        Each channel then has unit variance over all blocks. Raises SettingsError for fewer blocks than channels.
        """
        count = self.config.channels
        if len(blocks) < count:
            raise SettingsError(
                f"{count} components cannot be found in {len(blocks)} blocks: give more pictures"
            )
        blocks, weight = blocks.double(), weight.double()[:, None]
        mean = (weight * blocks).sum(0) / weight.sum()
        centred = blocks - mean
        _, directions = torch.linalg.eigh((weight * centred).T @ centred)
        components = directions[:, -count:].flip(1)  # [768, C]
        size = (centred @ components).std(dim=0).clamp(min=1e-4)
        self.linear_encoder.weight.copy_((components / size).T[:, :, None, None])
        self.linear_encoder.bias.copy_(-(mean @ components) / size)  # type: ignore[union-attr]
        self.linear_decoder.weight.copy_((components * size)[:, :, None, None])
        self.linear_decoder.bias.copy_(mean)  # type: ignore[union-attr]

    def normalise(self, latents: Tensor) -> Tensor:
        """Latents [B, C, f, h, w] to zero mean and, over all channels, a variance of about 1."""
        return (latents - _per_channel(self.mean)) / _per_channel(self.scale)

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents * _per_channel(self.scale) + _per_channel(self.mean)


def blocks_of(frames: Tensor) -> Tensor:
    """Frames [B, F, D, H, W] as blocks of 4 frames x 8 x 8 pixels, one for each place of the latents: [n, 256 D]."""
    folded = _four_to_one(F.pixel_unshuffle(frames.flatten(0, 1), SPATIAL), len(frames))
    return folded.permute(0, 2, 3, 1).flatten(0, 2)


def _four_to_one(x: Tensor, batch: int) -> Tensor:
    """Frames' maps [B F, D, h, w] -> latents' [B f, 4 D, h, w]; the first frame stands for four."""
    x = x.unflatten(0, (batch, -1))
    x = torch.cat([x[:, :1].expand(-1, TEMPORAL, -1, -1, -1), x[:, 1:]], dim=1)
    return x.unflatten(1, (-1, TEMPORAL)).flatten(2, 3).flatten(0, 1)


def _cosine_basis(channels: int) -> Tensor:
    """What each channel of the cosine VAE draws, in -1..1: orthogonal rows [channels, 4 * 3 * 8 * 8]."""
    vae = CosineVAE(channels, SPATIAL, TEMPORAL, clamp=False)
    latents = torch.zeros(1, channels, 2, 1, channels)
    latents[0, :, 1, 0] = torch.eye(channels)
    drawn = 2 * vae.decode(latents)[1:] - 1  # [4, 8, 8 * channels, 3]
    return drawn.unflatten(2, (channels, SPATIAL)).permute(2, 0, 4, 1, 3).flatten(1)


def _per_channel(values: Tensor) -> Tensor:
    return values[:, None, None, None]
