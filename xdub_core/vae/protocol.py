"""What the engine asks of a VAE: frames to latents and back, also piece by piece.

A host hands one of these to the pipeline: ComfyUI wraps the user's own VAE, the command line the Wan2.2 VAE
(`wan.py`) or the weight-free `cosine.py`. All of them are causal in time; how many frames, rows and columns a latent
holds is the VAE's `grid`, which everything else is derived from. The numbers below are Wan2.2's.
"""

from typing import Protocol

import torch

from xdub_core.vae.grid import LatentGrid


class StreamingDecoder(Protocol):
    """Decodes one long latent video in pieces, exactly as one `VideoVAE.decode` of the whole would.

    Memory is bounded by one piece, however long the video: the decoder keeps only its causal cache. It replaces that
    and never writes into it, so that a shallow copy of the stream goes on by itself from where it stands.
    """

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode the stream's next latents and advance.

        `latents` [1, C, f, h, w]; result [n, H, W, 3] float32 in 0..1 on the latents' device, where
        n = 4 (f - 1) + 1 for the first call of the stream and 4 f for every later one (0 for f = 0).
        """
        ...

    def peek(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode like `decode`, but leave the stream where it is.

        The last latent of a clip stays provisional until the next clip is sampled (the two are averaged when they
        are stitched), while that next clip already needs its frames as motion frames.
        """
        ...

    def rest(self) -> None:
        """Keep the stream's cache in the CPU's memory until the next call: nothing is decoded for a while.

        While a clip is sampled, the device's memory is the sampler's (0.9 GB at 512 pixels with the Wan2.2 VAE).
        """
        ...


class VideoVAE(Protocol):
    """Turns video frames into latents and back. Latents are normalised: about zero mean, unit variance."""

    @property
    def grid(self) -> LatentGrid:
        """How frames and latents are counted."""
        ...

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames [F, H, W, 3] float in 0..1, F = 4 (f - 1) + 1 -> latents [1, C, f, H / 16, W / 16] float32.

        The result is on the frames' device. Raises SamplingError where the sizes do not fit.
        """
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [1, C, f, h, w] -> frames [4 (f - 1) + 1, 16 h, 16 w, 3] float32 in 0..1, same device."""
        ...

    def stream(self) -> StreamingDecoder:
        """Start a new stream; its first latent frame holds a single video frame."""
        ...
