"""Source and dub one above the other in a small video, for players that show one wiped over the other.

A browser that plays two videos keeps them in step by good luck; one video with both in it has one clock, and a frame of
the one stands still beside the very frame of the other. It is H.264 of 8 bits with square pixels, upright, of
MOST_LINES lines each at most, whatever the source is; HDR keeps its numbers and loses its curve, so it looks flat.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.color import BT709, guessed_matrix
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.mix import Sound
from xdub_core.media.timeline import FrameClock

MOST_LINES, MOST_COLUMNS = 720, 1920
ENCODING = EncodeSettings(
    "h264", quality=20, preset="ultrafast", bit_depth=8, audio_bitrate=128_000, keyframes=24
)
"""Quick to make, and quick to step through."""


def shown_size(width: int, height: int, pixel_shape: Fraction = Fraction(1)) -> tuple[int, int]:
    """Columns and lines, even, in which a picture is shown; `pixel_shape`: a pixel's width over its height."""
    wide = width * float(pixel_shape)
    scale = min(1.0, MOST_LINES / height, MOST_COLUMNS / wide)
    return max(2, round(wide * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


class BeforeAfterWriter(AbstractContextManager["BeforeAfterWriter"]):
    """Writes such a video of finished frames, which know their source; whole or not at all, as `VideoWriter` does.

    Args:
        path: an .mp4 file.
        width, height: pixels of the frames that will come.
        clock: when they appear.
        sound: what is heard.
        pixel_shape: a pixel's width over its height.

    Attributes:
        size: columns and lines of each of the two pictures; the source's is the upper one.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        clock: FrameClock | float,
        sound: Sound | None = None,
        pixel_shape: Fraction = Fraction(1),
    ) -> None:
        self.size = shown_size(width, height, pixel_shape)
        columns, lines = self.size[0], 2 * self.size[1]
        self._writer = VideoWriter(path, columns, lines, clock, ENCODING, sound, quiet=True)
        matrix = guessed_matrix(columns, lines)  # as the writer tags what is new
        self._matrix = Colorspace.ITU709 if matrix == BT709 else Colorspace.ITU601
        self._reformatter = VideoReformatter()

    def __enter__(self) -> BeforeAfterWriter:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def write(self, frame: FinishedFrame) -> None:
        """Add a frame and its source. Raises MediaError as `VideoWriter`."""
        assert frame.source is not None
        before = reduced(frame.source.rgb, self.size)
        after = reduced(frame.rgb, self.size) if frame.changed else before
        self._writer.write_picture(self._encodable(np.concatenate([before, after])))

    def _encodable(self, picture: np.ndarray) -> Any:
        rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
        return self._reformatter.reformat(rgb, format="yuv420p", dst_colorspace=self._matrix)


def reduced(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 or uint16 [H, W, 3], as uint8 [size[1], size[0], 3].

    By a whole factor it is averaged, which is quick; the rest, which is less than one half, is interpolated.
    """
    height, width = picture.shape[:2]
    factor = min(width // size[0], height // size[1])
    if factor > 1:
        whole = picture[: height // factor * factor, : width // factor * factor]
        picture = cv2.resize(whole, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    if picture.shape[1::-1] != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return (picture >> 8).astype(np.uint8) if picture.dtype == np.uint16 else picture
