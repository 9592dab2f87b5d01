"""A sample for tests and benchmarks, made in a second: a nodding head of flat ellipses, a buzz in syllables.

It needs no espeak-ng, and is no rendered head (`renderer`).
"""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.timeline import MODEL_FPS

WIDTH, HEIGHT = 640, 480
SAMPLE_BOX = (176, 86, 464, 374)
"""The square around the head in every frame, xyxy."""
_SKIN, _SHADE, _HAIR = (222, 178, 150), (200, 160, 135), (74, 52, 40)
_LIPS, _DARK = (178, 84, 84), (40, 30, 30)


def write_sample(folder: Path, seconds: float = 4.0) -> tuple[Path, Path]:
    """Write `head.mp4` (640x480, 25 fps) and `voice.wav` (16 kHz, mono) into `folder`, and return their paths."""
    video, audio = folder / "head.mp4", folder / "voice.wav"
    with VideoWriter(video, WIDTH, HEIGHT, MODEL_FPS) as writer:
        for frame in range(round(seconds * MODEL_FPS)):
            writer.write(draw_head(frame / MODEL_FPS))
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        file.writeframes((make_voice(seconds) * 32767).astype("<i2").tobytes())
    return video, audio


def draw_head(second: float) -> np.ndarray:
    """The head at a moment, uint8 [480, 640, 3] RGB."""
    rows = np.linspace(60, 150, HEIGHT, dtype=np.float32)[:, None, None]
    frame = np.broadcast_to(rows * np.array([0.8, 1.0, 1.1], np.float32), (HEIGHT, WIDTH, 3)).astype(np.uint8)
    frame = np.ascontiguousarray(frame)
    x, y = 320 + 12 * np.sin(1.3 * second), 230 + 6 * np.sin(2.1 * second)

    def ellipse(dx: float, dy: float, width: float, height: float, color: tuple[int, int, int]) -> None:
        centre, axes = (round(16 * (x + dx)), round(16 * (y + dy))), (round(16 * width), round(16 * height))
        cv2.ellipse(frame, centre, axes, 0, 0, 360, color, cv2.FILLED, cv2.LINE_AA, shift=4)

    ellipse(0, 190, 150, 90, (60, 80, 120))  # shoulders
    ellipse(0, -18, 96, 118, _HAIR)
    ellipse(0, 0, 84, 110, _SKIN)
    for side in (-34, 34):
        ellipse(side, -20, 13, 7, (250, 250, 250))
        ellipse(side + 3 * np.sin(second), -20, 6, 6, _DARK)
    ellipse(0, 16, 7, 14, _SHADE)
    ellipse(0, 58, 26, 9, _LIPS)
    ellipse(0, 58, 20, 4 + 3 * np.sin(9 * second), _DARK)
    return frame


def make_voice(seconds: float) -> np.ndarray:
    """A buzz with three formants in syllables of a quarter second, float [samples] in -1..1."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    syllable = np.floor(time * 4).astype(int)
    vowels = np.random.default_rng(0).uniform([300, 900, 2200], [800, 2000, 3000], (syllable.max() + 1, 3))
    voice = np.zeros_like(time)
    for harmonic in range(1, 30):
        distance = (harmonic * pitch[:, None] - vowels[syllable]) / 150
        voice += np.sin(harmonic * phase) * np.exp(-(distance**2)).sum(axis=1)
    return 0.5 * voice / np.abs(voice).max() * np.sin(np.pi * (time * 4 % 1)) ** 0.5
