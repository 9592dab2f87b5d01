"""What the engine asks of a VAE: frames to latents and back, also piece by piece.

A host hands one of these to the pipeline: ComfyUI wraps the user's own VAE, the command line the Wan2.2 VAE
(`wan.py`) or the weight-free `cosine.py`. All of them are causal in time: the first latent frame of a stream holds one
video frame and every later one holds `temporal` frames, so that F video frames make f = (F - 1) / temporal + 1 latent
frames (released model §1). A dub's geometry comes from its VAE; the numbers below are Wan2.2's.
"""

from typing import Protocol

import torch

from xdub_core.errors import SamplingError

FRAMES_PER_LATENT = 4
"""`VideoVAE.temporal` of the released model's VAE."""


class StreamingDecoder(Protocol):
    """Decodes one long latent video in pieces, exactly as one `VideoVAE.decode` of the whole would.

    Memory is bounded by one piece, however long the video: the decoder keeps only its causal cache.
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
    def channels(self) -> int:
        """Latent channels C (48 for Wan2.2)."""
        ...

    @property
    def spatial(self) -> int:
        """Pixels per latent row and column (16 for Wan2.2)."""
        ...

    @property
    def temporal(self) -> int:
        """Video frames per latent frame after the first (4 for Wan2.2)."""
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


def latent_frame_count(frames: int, temporal: int) -> int:
    """Latent frames that `frames` video frames make; raises SamplingError unless frames = temporal k + 1."""
    if frames < 1 or (frames - 1) % temporal:
        raise SamplingError(
            f"the VAE takes {temporal}k + 1 frames (1, {temporal + 1}, {2 * temporal + 1}, ...), "
            f"but got {frames}: repeat the last frame to fill up"
        )
    return (frames - 1) // temporal + 1


def check_frames(frames: torch.Tensor, spatial: int, temporal: int) -> None:
    """Raise SamplingError unless `frames` is [temporal k + 1, H, W, 3] with H and W multiples of `spatial`."""
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise SamplingError(f"the VAE takes frames [F, H, W, 3], but got {list(frames.shape)}")
    latent_frame_count(frames.shape[0], temporal)
    height, width = frames.shape[1:3]
    if height % spatial or width % spatial or not height or not width:
        raise SamplingError(
            f"the VAE takes frames whose sides are multiples of {spatial}, but got {width}x{height}: "
            "choose another crop size"
        )


def check_latents(latents: torch.Tensor, channels: int) -> None:
    """Raise SamplingError unless `latents` is [1, channels, f, h, w]."""
    if latents.ndim != 5 or latents.shape[0] != 1 or latents.shape[1] != channels:
        raise SamplingError(
            f"the VAE takes latents [1, {channels}, f, h, w], but got {list(latents.shape)}: "
            "the model and the VAE do not belong together"
        )
