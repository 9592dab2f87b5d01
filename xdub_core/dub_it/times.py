"""Frames, latents and samples of the same time, in exact numbers: fps is a fraction, 30000/1001 and not 29.97."""

from __future__ import annotations

from fractions import Fraction

from xdub_core.errors import MediaError

FRAMES_PER_LATENT = 8
"""Of LTX-2's VAE, after the first frame, which has a latent of its own: 8 k + 1 frames."""
LATENTS_PER_SECOND = 25
"""Of its VAE of sound: 16,000 Hz, a hop of 160, four hops to a latent."""
FEWEST_FRAMES = FRAMES_PER_LATENT + 1


def check_frames(frames: int) -> None:
    """Raise MediaError for a video that is shorter than the shortest that LTX-2 makes."""
    if frames < FEWEST_FRAMES:
        raise MediaError(
            f"the video has {frames} frame{'s' * (frames != 1)}, and LTX-2 makes {FEWEST_FRAMES} at least: "
            "take a longer one"
        )


def padded_frames(frames: int) -> int:
    """The least number 8 k + 1 of frames that is not smaller."""
    return -(-(frames - 1) // FRAMES_PER_LATENT) * FRAMES_PER_LATENT + 1


def latent_frames(frames: int) -> int:
    """Latents of the picture for so many frames, padded."""
    return (padded_frames(frames) - 1) // FRAMES_PER_LATENT + 1


def sound_latents(frames: int, fps: Fraction) -> int:
    """Latents of the sound beside so many frames, to the nearest: as core counts them."""
    return round(frames / fps * LATENTS_PER_SECOND)


def samples(frames: int, fps: Fraction, rate: int) -> int:
    """Samples at `rate` that last as long as so many frames, to the nearest."""
    return round(frames / fps * rate)
