"""Recordings of clicks and films of flashes: where they are in time can be measured in whatever comes out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from xdub_core.audio.recording import SAMPLE_RATE, open_recording
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.resample import packed_frame
from xdub_core.media.sound.sound_blocks import frame_samples
from xdub_core.media.sound.sound_place import AudioTrack

AT = (0.5, 1.5)
FPS = 25
CONTAINERS = (".mp4", ".mov", ".mkv", ".webm")


def clicks(
    channels: int = 1, rate: int = 48000, seconds: float = 2.0, at: Sequence[float] = AT
) -> np.ndarray:
    """A faint hiss with clicks of 3 ms in every channel, float32 [C, n]."""
    hiss = np.random.default_rng(0).uniform(-0.004, 0.004, round(rate * seconds)).astype(np.float32)
    sound = np.repeat(hiss[None], channels, axis=0)
    for second in at:
        sound[:, round(rate * second) : round(rate * (second + 0.003))] = 0.9
    return sound


def write_clicks(
    path: Path, codec: str, layout: str = "mono", rate: int = 48000, at: Sequence[float] = AT
) -> Path:
    """Two seconds of clicks in a codec."""
    sound = clicks(av.AudioLayout(layout).nb_channels, rate, at=at)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        for start in range(0, sound.shape[1], 4096):
            frame = packed_frame(sound[:, start : start + 4096], rate, layout)
            frame.pts, frame.time_base = start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_wav(path: Path, sound: np.ndarray, rate: int = 16000, mask: int | None = None) -> Path:
    """A 16-bit WAV of float [C, n] with any number of channels; with a mask of loudspeakers where one is given."""
    data = np.round(sound.T * 32767).astype("<i2").tobytes()
    channels = len(sound)
    facts = struct.pack(
        "<HHIIHH", 1 if mask is None else 0xFFFE, channels, rate, 2 * rate * channels, 2 * channels, 16
    )
    if mask is not None:
        facts += struct.pack("<HHI", 22, 16, mask) + bytes.fromhex("0100000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", len(facts)) + facts + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def write_film(
    path: Path,
    codec: str = "aac",
    *,
    picture_begins: float = 0.0,
    sound_begins: float = 0.0,
    lost: Sequence[int] = (),
    video: str = "libx264",
) -> Path:
    """Two seconds: a flash and a click at 1.0 s and at 1.6 s; each track is there from its beginning on.

    `lost`: sound packets that are left out.
    """
    rate = 48000
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=FPS, options={"preset": "ultrafast", "bf": "0"})
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = "mono"
        packets = []
        for number in range(round(picture_begins * FPS), 2 * FPS):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), 255 if number in (25, 40) else 0, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            packets += pictures.encode(frame)
        packets += pictures.encode(None)
        sound = clicks(1, rate, at=(1.0, 1.6))
        sounds = []
        for start in range(round(sound_begins * rate), sound.shape[1], 1024):
            frame = packed_frame(sound[:, start : start + 1024], rate, "mono")
            frame.pts, frame.time_base = start, Fraction(1, rate)
            sounds += stream.encode(frame)
        sounds += stream.encode(None)
        packets += [packet for number, packet in enumerate(sounds) if number not in lost]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def click_times(sound: np.ndarray, rate: int, begin: float = 0.0) -> list[float]:
    """When the clicks of a sound [n] begin, in seconds."""
    loud = np.flatnonzero(np.abs(sound) > 0.4 * np.abs(sound).max(initial=1e-3)) / rate
    return [
        float(second + begin)
        for second, gap in zip(loud, np.diff(loud, prepend=-1), strict=True)
        if gap > 0.1
    ]


def heard(sound: Path | AudioTrack) -> tuple[list[float], float]:
    """What the lips hear of a recording: when its clicks are, and how long it is."""
    with open_recording(sound) as recording:
        return click_times(recording.read(0, recording.samples), SAMPLE_RATE), recording.seconds


def dub(
    path: Path,
    sound: Path | AudioTrack,
    seconds: float = 2.0,
    audio: str = "auto",
    flashes: Sequence[int] = (),
) -> Path:
    """A video with a recording's sound, as the command line writes it."""
    track = sound if isinstance(sound, AudioTrack) else AudioTrack(sound)
    with VideoWriter(path, 64, 48, FPS, EncodeSettings(preset="ultrafast", audio=audio), track) as writer:
        for number in range(round(seconds * FPS)):
            writer.write(np.full((48, 64, 3), 255 if number in flashes else 0, np.uint8))
    return path


def played(path: Path) -> tuple[list[float], float]:
    """When a player of a video clicks, counted from the first picture, and when its sound ends."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time
    blocks, rate = [], 1
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            blocks.append((frame.time - first, frame_samples(frame).mean(0)))
            rate = frame.sample_rate
    sound = np.zeros(max(round(begin * rate) + len(block) for begin, block in blocks), np.float32)
    for begin, block in blocks:
        at = round(begin * rate)
        sound[max(0, at) : at + len(block)] = block[max(0, -at) :]
    return click_times(sound, rate), len(sound) / rate


def flash_times(path: Path) -> list[float]:
    """When a video flashes, counted from its first picture."""
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    darkest, brightest = (choose(light for _, light in frames) for choose in (min, max))
    return [time - frames[0][0] for time, light in frames if light > (darkest + brightest) / 2]
