"""What goes to a ComfyUI and comes from it: masks without loss, sounds of which nothing is cropped, tensors."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from xdub_core.audio.decode import decode_waveform
from xdub_core.errors import JobError
from xdub_core.media.sound.channels import mix_to_mono
from xdub_core.media.sound.resample import Resampler, packed_frame
from xdub_core.media.sound.sound_place import place_sound
from xdub_core.media.video.reader import VideoReader

SOUND_RATE = 44_100
CROPPED_TO = 4096
"""Samples at 44.1 kHz: core's VAE crops a sound at both ends to a multiple of it, and moves it by up to 46 ms."""


def mask_video(mask: np.ndarray | Tensor) -> bytes:
    """A mask, bool [n, h, w], as a video of white and black: PNG, of which core reads any size, down to a pixel."""
    pixels, file = np.asarray(mask).astype(np.uint8) * 255, io.BytesIO()
    with av.open(file, "w", format="mov") as container:
        stream: av.VideoStream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = pixels.shape[2], pixels.shape[1], "rgb24"
        for number, frame in enumerate(pixels):
            picture = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, axis=2), "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def padded_wave(sound: np.ndarray, rate: int) -> bytes:
    """A sound [channels, samples] as a stereo float WAV at 44.1 kHz; silence follows, so that core crops none of it."""
    stereo = sound if len(sound) == 2 else np.repeat(mix_to_mono(sound)[None], 2, axis=0)
    resampler = Resampler(rate, SOUND_RATE, "stereo")
    stereo = np.concatenate([*resampler.feed(stereo.astype(np.float32)), *resampler.flush()], axis=1)
    blocks = -(-stereo.shape[1] // CROPPED_TO) + 1
    padded = np.pad(stereo, ((0, 0), (0, blocks * CROPPED_TO - stereo.shape[1]))).astype(np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=SOUND_RATE)
        stream.codec_context.layout = "stereo"
        frame = packed_frame(padded, SOUND_RATE, "stereo")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def read_frames(path: Path, wanted: range | None = None) -> list[np.ndarray]:
    """Frames of a video, uint8 [H, W, 3]: those that are wanted, or all. Raises MediaError."""
    with VideoReader(path) as video:
        return list(video.frames(range(video.info.frames) if wanted is None else wanted))


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    """A sound file, whole: float32 [channels, samples] and its rate. Raises MediaError."""
    return decode_waveform(place_sound(path))


def saved_tensors(content: bytes, name: str) -> Tensor:
    """A tensor of a safetensors file in memory. Raises JobError where it is not there."""
    try:
        return load(content)[name]
    except Exception as error:  # safetensors' own kinds, too
        raise JobError(f"the ComfyUI saved a file without {name} ({error!r:.80}): update it") from None


def latents_of(content: bytes) -> Tensor:
    """The latents of core's SaveLatent, [channels, ...]: the first of its batch."""
    return saved_tensors(content, "latent_tensor")[0].to(torch.float32)
