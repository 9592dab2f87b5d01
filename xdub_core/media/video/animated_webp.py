"""Animated WebP, which FFmpeg does not play: its frames are found here and their pictures decoded by FFmpeg.

The format: RFC 9649, sections 2.5 to 2.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.container.opening import FFmpegError, reason
from xdub_core.media.picture.color import SMPTE170M, YuvMeaning
from xdub_core.media.picture.rgb_conversion import ToRgb
from xdub_core.media.video.alpha import has_alpha_channel
from xdub_core.media.video.damage import Damage
from xdub_core.media.video.frame_index import FrameIndex

_RIFF_HEADER, _CHUNK_HEADER, _FRAME_HEADER = 12, 8, 16  # bytes
_ANIMATED = 0x02  # in VP8X's flags
_HAS_ALPHA = 0x10
_OVERWRITE, _CLEAR = 0x02, 0x01  # in a frame's flags: no blending; clear its place afterwards
_SHORTEST, _INSTEAD = 10, 100  # milliseconds: as browsers play frames that are said to last next to nothing
_YUV = YuvMeaning(SMPTE170M, full_range=False)  # RFC 6386, section 9.2
_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class _Frame:
    """A frame's place in the file (`start`, `size` of its picture's chunks) and on the canvas (pixels)."""

    start: int
    size: int
    x: int
    y: int
    width: int
    height: int
    milliseconds: int
    flags: int


@dataclass(frozen=True)
class AnimatedWebP:
    """Where the frames of a file are; `width` and `height` of the canvas in pixels."""

    path: Path
    width: int
    height: int
    frames: tuple[_Frame, ...]

    def index(self) -> FrameIndex:
        """When the frames are shown. Decoding can start where a frame replaces the whole canvas."""
        stay = np.array([frame.milliseconds for frame in self.frames])
        stay = np.where(stay <= _SHORTEST, _INSTEAD, stay)
        starts = np.concatenate([[0], np.cumsum(stay[:-1])]).astype(np.int64)
        whole = np.array(
            [number for number, frame in enumerate(self.frames) if not number or self._replaces_all(frame)]
        )
        last = float(stay[-1]) / 1000
        return FrameIndex(starts, starts / 1000, whole, starts[whole], _MILLISECOND, last, 0.0)

    def _replaces_all(self, frame: _Frame) -> bool:
        covers = (frame.x, frame.y, frame.width, frame.height) == (0, 0, self.width, self.height)
        return covers and bool(frame.flags & _OVERWRITE)


def find_frames(path: Path) -> AnimatedWebP | None:
    """The frames of an animated WebP; None for any other file, and for one that cannot be opened.

    Raises:
        MediaError: it is an animated WebP without a whole frame.
    """
    try:
        with path.open("rb") as file:
            return _read_file(file, path)
    except OSError:
        return None


def _read_file(file: BinaryIO, path: Path) -> AnimatedWebP | None:
    header = file.read(_RIFF_HEADER + _CHUNK_HEADER + 10)
    if len(header) < 30 or header[:4] != b"RIFF" or header[8:16] != b"WEBPVP8X" or not header[20] & _ANIMATED:
        return None
    width, height = _number(header, 24) + 1, _number(header, 27) + 1
    frames = tuple(
        frame
        for frame in _find_chunks(file)
        if frame.x + frame.width <= width and frame.y + frame.height <= height
    )
    if not frames:
        raise MediaError(f"{path}: this animated WebP holds no whole frame; it is empty or damaged")
    return AnimatedWebP(path, width, height, frames)


def _find_chunks(file: BinaryIO) -> Iterator[_Frame]:
    end = file.seek(0, 2)
    place = _RIFF_HEADER
    while place + _CHUNK_HEADER <= end:
        file.seek(place)
        name, size = struct.unpack("<4sI", file.read(_CHUNK_HEADER))
        start = place + _CHUNK_HEADER
        if name == b"ANMF" and size > _FRAME_HEADER and start + size <= end:
            head = file.read(_FRAME_HEADER)
            x, y, width, height, stay = (_number(head, 3 * field) for field in range(5))
            picture = (start + _FRAME_HEADER, size - _FRAME_HEADER)
            yield _Frame(*picture, 2 * x, 2 * y, width + 1, height + 1, stay, head[15])
        place = start + size + size % 2


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


class WebPDecoder:
    """Draws the frames one after the other on their canvas."""

    def __init__(self, animation: AnimatedWebP, damage: Damage) -> None:
        self.position = 0
        self._animation = animation
        self._damage = damage
        self._index = animation.index()
        self._file = animation.path.open("rb")
        self._canvas = np.zeros((animation.height, animation.width, 4), np.uint8)
        self._clear: tuple[slice, slice] | None = None

    def read(self) -> tuple[int, Any] | None:
        """The next frame and its number; None at the end. Where one cannot be decoded the canvas stays as it is."""
        number = self.position
        if number >= len(self._animation.frames):
            return None
        frame = self._animation.frames[number]
        if self._clear is not None:
            self._canvas[self._clear] = 0
        place = (slice(frame.y, frame.y + frame.height), slice(frame.x, frame.x + frame.width))
        try:
            picture = _decode(self._file, frame)
        except (MediaError, FFmpegError) as error:
            self._damage.add_error(reason(error))
            self._damage.add_lost(number)
        else:
            self._canvas[place] = picture if frame.flags & _OVERWRITE else _over(picture, self._canvas[place])
        self._clear = place if frame.flags & _CLEAR else None
        self.position += 1
        return number, av.VideoFrame.from_ndarray(self._canvas, format="rgba")

    def seek(self, frame: int) -> None:
        """Go to the frame before it that replaces the whole canvas."""
        self.position = self._index.keyframe_before(frame)
        self._canvas[:] = 0
        self._clear = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _decode(file: BinaryIO, frame: _Frame) -> np.ndarray:
    """The picture of a frame [H, W, 4], RGBA, not multiplied with its alpha."""
    file.seek(frame.start)
    chunks = file.read(frame.size)
    if chunks[:4] == b"ALPH":  # such a picture needs the extended header
        size = b"".join((side - 1).to_bytes(3, "little") for side in (frame.width, frame.height))
        chunks = b"VP8X" + struct.pack("<II", 10, _HAS_ALPHA) + size + chunks
    data = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    decoder: Any = av.CodecContext.create("webp", "r")
    for picture in (*decoder.decode(av.Packet(data)), *decoder.decode(None)):
        if (picture.width, picture.height) == (frame.width, frame.height):
            return _with_alpha(picture)
    raise MediaError("no picture of the right size in it")


def _with_alpha(picture: Any) -> np.ndarray:
    opaque = np.full((picture.height, picture.width), 255, np.uint8)
    alpha = picture.reformat(format="rgba").to_ndarray()[..., 3] if has_alpha_channel(picture) else opaque
    return np.dstack([ToRgb(picture.format.name, picture.width, picture.height, _YUV)(picture), alpha])


def _over(picture: np.ndarray, below: np.ndarray) -> np.ndarray:
    """A picture [H, W, 4] laid over another; neither is multiplied with its alpha."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    behind = below[..., 3:].astype(np.float32) / 255 * (1 - alpha)
    total = alpha + behind
    color = (picture[..., :3] * alpha + below[..., :3] * behind) / np.maximum(total, 1e-6)
    return np.rint(np.concatenate([color, total * 255], axis=-1)).astype(np.uint8)
