"""Small sounds and files for the audio tests."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    """A sine at half scale, float32 [n]."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def speech_like(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
    """Noise in syllables of changing loudness and colour, float32 [n]."""
    random = np.random.default_rng(seed)
    samples = round(seconds * rate)
    noise = random.standard_normal(samples + 64)
    smooth = np.convolve(noise, np.hanning(64) / 16, mode="valid")[:samples]
    time = np.arange(samples) / rate
    loudness = 0.15 * (1 + np.sin(2 * np.pi * 3.1 * time)) * (1.2 + np.sin(2 * np.pi * 0.13 * time))
    return (loudness * (smooth + 0.2 * noise[:samples])).astype(np.float32)


def write_sound(
    path: Path,
    channels: np.ndarray,
    rate: int,
    codec: str,
    sample_format: str,
    layout: str,
    video: bool = False,
) -> Path:
    """Encode float [C, n] with PyAV; with a second of black video beside it where asked."""
    with av.open(str(path), "w") as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        stream = container.add_stream(codec, rate=rate, format=sample_format, layout=layout)
        if video:
            for _ in range(25):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
        to_format = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
        size = 1024
        for start in range(0, channels.shape[1], size):
            block = np.ascontiguousarray(channels[:, start : start + size], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            for out in to_format.resample(frame):
                container.mux(stream.encode(out))
        container.mux(stream.encode(None))
    return path


def write_wav(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    """A mono 16-bit WAV of int16 samples."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path
