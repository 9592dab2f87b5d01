"""Small videos whose every frame tells its own number, and recordings with one click."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from xdub_core.media.picture.color import ColorTags, yuv_meaning
from xdub_core.media.picture.rgb_conversion import FromRgb

BITS = 12
TICK = Fraction(1, 1000)


def numbered_picture(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture [H, W, 3] that shows a number as 12 upright bars, black and white; the top half is tinted."""
    bars = (number >> np.arange(BITS)) & 1
    columns = np.repeat(bars, width // BITS)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : len(columns)] = (columns * 200 + 20)[:, None]
    picture[: height // 2, :, 2] = 60
    return picture


def number_shown(picture: np.ndarray) -> int:
    """The number that a picture shows."""
    scale = 257 if picture.dtype == np.uint16 else 1
    width = picture.shape[1] // BITS
    row = picture[-picture.shape[0] // 4, :, 0].astype(float) / scale
    bars = row[: BITS * width].reshape(BITS, width)[:, width // 2] > 120
    return int(np.sum(bars << np.arange(BITS)))


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    options: dict[str, str] | None = None,
    tags: ColorTags | None = None,
    **attributes: Any,
) -> Path:
    """Encode pictures with PyAV alone (not with the writer under test), nearly lossless."""
    defaults = {"crf": "4", "preset": "ultrafast"} if codec in ("libx264", "libx265") else {}
    if codec == "libx265":
        defaults["x265-params"] = "log-level=none"
    height, width = pictures[0].shape[:2]
    tags = tags or ColorTags()
    convert = FromRgb(pixel_format, width, height, yuv_meaning(tags, width, height))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={**defaults, **(options or {})})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.time_base = time_base
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_trc, context.color_primaries = tags.transfer, tags.primaries
        for name, value in attributes.items():
            setattr(context, name, value)
        for number, picture in enumerate(pictures):
            frame = convert(picture)
            frame.pts, frame.time_base = (number if pts is None else pts[number]), time_base
            frame.colorspace, frame.color_range = tags.matrix, tags.range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_click(path: Path, codec: str, *, rate: int = 44100, seconds: float = 2.0, at: float = 0.5) -> Path:
    """A mono recording that is silent but for one click."""
    samples = np.zeros((1, int(rate * seconds)), np.float32)
    samples[0, int(rate * at) : int(rate * at) + 40] = 0.9
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_transparent(
    path: Path, count: int = 3, alpha: int = 128, codec: str = "ffv1", pixel_format: str = "bgra"
) -> Path:
    """Numbered pictures with an alpha channel of one value throughout."""
    with av.open(str(path), "w") as container:
        options = {"cpu-used": "8", "auto-alt-ref": "0"} if codec.startswith("libvpx") else {}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel_format
        for number in range(count):
            picture = np.dstack([numbered_picture(number), np.full((64, 96), alpha, np.uint8)])
            frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn_mp4(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Patch the display matrix (a, b, c, d in whole units) of an MP4's first track."""
    data = bytearray(path.read_bytes())
    box = data.index(b"tkhd") - 4
    at = box + 12 + (20 if data[box + 8] == 0 else 32) + 16
    a, b, c, d = (value * 65536 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def numbered() -> Callable[[int], list[np.ndarray]]:
    return lambda count: [numbered_picture(number) for number in range(count)]


@pytest.fixture(scope="session")
def shown() -> Callable[[np.ndarray], int]:
    return number_shown


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def make_click() -> Callable[..., Path]:
    return write_click


@pytest.fixture(scope="session")
def make_transparent() -> Callable[..., Path]:
    return write_transparent


@pytest.fixture(scope="session")
def turn() -> Callable[..., Path]:
    return turn_mp4


@pytest.fixture(scope="session")
def long_group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 numbered frames with B-frames and one keyframe only."""
    pictures = [numbered_picture(number) for number in range(120)]
    options = {"preset": "veryfast", "g": "1000", "keyint_min": "1000", "sc_threshold": "0", "bf": "3"}
    return write_video(tmp_path_factory.mktemp("long") / "long.mp4", pictures, options=options)


@pytest.fixture(scope="session")
def short_groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 numbered frames with B-frames and open groups of 12."""
    pictures = [numbered_picture(number) for number in range(120)]
    options = {"preset": "veryfast", "g": "12", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1"}
    return write_video(tmp_path_factory.mktemp("short") / "short.mkv", pictures, options=options)
