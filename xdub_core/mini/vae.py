"""The mini's VAE as the engine's `VideoVAE`."""

from __future__ import annotations

import torch
from torch import Tensor

from xdub_core.mini.vae_net import VAENet
from xdub_core.vae.protocol import StreamingDecoder

PIECE = 16
"""Latent frames that are encoded at a time: memory stays bounded however long the video."""


class MiniVAE:
    """A `VideoVAE` of 8x in space and 4x in time; deterministic: a frame's latents are the mean.

    Gradients pass through `decode` to the latents. Tensors come back on the device that they came from; the network
    stays on its own.
    """

    def __init__(self, network: VAENet) -> None:
        self.network = network.eval()
        self.grid = network.config.grid

    def encode(self, frames: Tensor) -> Tensor:
        """Frames [F, H, W, 3] in 0..1 -> latents [1, C, f, h, w]; see `VideoVAE.encode`."""
        self.grid.check_frames(frames)
        video = frames.to(self._device).float().permute(0, 3, 1, 2)[None]
        pieces = [self.network.moments(video[:, :1])[0]]
        for piece in video[:, 1:].split(self.grid.temporal * PIECE, dim=1) if len(frames) > 1 else ():
            # A stand-in for the first frame, whose latent is thrown away: the encoder encodes each latent alone.
            pieces.append(self.network.moments(torch.cat([piece[:, :1], piece], dim=1))[0][:, :, 1:])
        return self.network.normalise(torch.cat(pieces, dim=2)).to(frames.device)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [1, C, f, h, w] -> frames [4 (f - 1) + 1, H, W, 3]; see `VideoVAE.decode`."""
        return self.decode_after(latents, None)

    def decode_batch(self, latents: Tensor) -> Tensor:
        """Normalised latents of whole videos [B, C, f, h, w] -> frames [B, 4 (f - 1) + 1, H, W, 3], not clamped."""
        self.grid.check_latents(latents[:1])
        return self.network.decode_video(self.network.denormalise(latents)).permute(0, 1, 3, 4, 2)

    def stream(self) -> StreamingDecoder:
        """Start a stream; it keeps one latent frame."""
        return MiniStream(self)

    def decode_after(self, latents: Tensor, before: Tensor | None) -> Tensor:
        """Decode a piece of a stream; `before` [1, C, 1, h, w] is the latent that went before (None: none)."""
        self.grid.check_latents(latents)
        if not latents.shape[2]:
            return latents.new_zeros((0, *self.grid.pixels(latents), 3), dtype=torch.float32)
        z = self.network.denormalise(latents.to(self._device).float())
        past = None if before is None else self.network.denormalise(before.to(self._device).float())
        frames = []
        for latent in z.split(1, dim=2):  # one at a time: pieces of any length give the same bits
            decoded = (
                self.network.decode_video(latent) if past is None else self.network.reconstruct(latent, past)
            )
            frames.append(decoded[0].permute(0, 2, 3, 1).clamp(0, 1))
            past = latent
        return torch.cat(frames).to(latents.device)

    @property
    def _device(self) -> torch.device:
        return self.network.mean.device


class MiniStream:
    """The `StreamingDecoder` of a `MiniVAE`."""

    def __init__(self, vae: MiniVAE) -> None:
        self._vae = vae
        self._before: Tensor | None = None

    def decode(self, latents: Tensor) -> Tensor:
        """Decode the next latents and advance; see `StreamingDecoder.decode`."""
        frames = self.peek(latents)
        if latents.shape[2]:
            self._before = latents[:, :, -1:].clone()
        return frames

    def peek(self, latents: Tensor) -> Tensor:
        """Decode the next latents without advancing; see `StreamingDecoder.peek`."""
        return self._vae.decode_after(latents, self._before)

    def rest(self) -> None:
        """One latent is all that is kept, and weighs nothing."""
