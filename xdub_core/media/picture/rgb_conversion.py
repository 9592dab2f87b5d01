"""Between a stream's pictures (mostly YUV) and RGB arrays, true to matrix and range.

8-bit pictures go through swscale with its accurate settings, which is within half a level of the standard's
equations. For deeper ones swscale is off by up to 1 part in 250 (10-bit white 940 becomes 944), so there it only
resamples chroma, which it does exactly, and the equations of ITU-T H.273 are computed here in float32.
Chroma is taken to sit where MPEG-2 and H.264 put it: on the left.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import cv2
import numpy as np

from xdub_core.media.picture.color import LUMA_COEFFICIENTS, UNSPECIFIED, YuvMeaning
from xdub_core.media.picture.pixel_layout import PixelLayout, bits_of, chroma_of

_SCALER = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_SCALER_MATRIX = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
_CHROMA_OPTIONS = (
    "in_chroma_loc=left:out_chroma_loc=left",
    "in_h_chr_pos=0:in_v_chr_pos=128:out_h_chr_pos=0:out_v_chr_pos=128",  # FFmpeg before 7.1
)
_TICK = Fraction(1, 1000)
# Thresholds in 0..1 of an 8x8 ordered dither.
_BAYER_2 = np.array([[0, 2], [3, 1]])
_BAYER_4 = np.block([[4 * _BAYER_2, 4 * _BAYER_2 + 2], [4 * _BAYER_2 + 3, 4 * _BAYER_2 + 1]])
_BAYER_8 = (np.block([[4 * _BAYER_4, 4 * _BAYER_4 + 2], [4 * _BAYER_4 + 3, 4 * _BAYER_4 + 1]]) + 0.5) / 64


class ToRgb:
    """Decoded frames of one format and size -> RGB arrays: uint8, or uint16 full range for deeper formats.

    Args:
        pixel_format: FFmpeg's name of the frames' format; any is taken, an alpha channel is dropped.
        width, height: the frames' size.
        yuv: what YUV numbers mean.
    """

    def __init__(self, pixel_format: str, width: int, height: int, yuv: YuvMeaning) -> None:
        self.accepts = (pixel_format, width, height)
        self._yuv = yuv
        self._bits, is_rgb = _depth(pixel_format)
        self._widen: Scaler | None = None
        if chroma_of(pixel_format) == "gray" and not yuv.full_range:
            # swscale takes all grey for full range; with chroma it asks.
            wide = PixelLayout("444", self._bits).name
            self._widen = Scaler(pixel_format, wide, width, height, "in_range=full:out_range=full")
            pixel_format = wide
        ranges = "full" if yuv.full_range else "limited"
        if self._bits <= 8:
            target = "rgb24"
            options = f"in_color_matrix={_SCALER_MATRIX[yuv.matrix]}:in_range={ranges}:out_range=full"
        elif is_rgb:
            target, options = "gbrp16le", "in_range=full:out_range=full"
        else:
            target, options = f"yuv444p{self._bits}le", f"in_range={ranges}:out_range={ranges}"
        self._planar = target != "rgb24"
        self._rgb_planes = target.startswith("gbr")
        self._scaler = (
            None if pixel_format == target else Scaler(pixel_format, target, width, height, options)
        )

    def __call__(self, frame: Any) -> np.ndarray:
        """[H, W, 3] RGB of a frame."""
        if self._widen is not None:
            frame = self._widen(frame)
        if self._scaler is not None:
            frame = self._scaler(frame)
        if not self._planar:
            return np.array(frame.to_ndarray())
        planes = [plane_samples(plane, self._bits) for plane in frame.planes]
        if self._rgb_planes:
            green, blue, red = planes
            return np.stack([red, green, blue], axis=-1)
        matrix = _yuv_to_rgb(self._yuv, self._bits)
        rgb = cv2.transform(np.stack(planes, axis=-1).astype(np.float32), matrix)
        return np.clip(np.rint(rgb), 0, 65535).astype(np.uint16)


class FromRgb:
    """RGB arrays (uint8, or uint16 full range) -> frames of one format and size, ready to encode.

    16-bit pictures for an 8-bit format are dithered (ordered, the same pattern in every frame).
    """

    def __init__(self, pixel_format: str, width: int, height: int, yuv: YuvMeaning) -> None:
        self._bits, self._is_rgb = _depth(pixel_format)
        self._yuv = yuv
        self._size = (width, height)
        ranges = "full" if yuv.full_range else "limited"
        if self._bits <= 8:
            self._source = "rgb24"
            options = f"out_color_matrix={_SCALER_MATRIX[yuv.matrix]}:in_range=full:out_range={ranges}"
            options = "in_range=full:out_range=full" if self._is_rgb else options
        elif self._is_rgb:
            self._source, options = "gbrp16le", "in_range=full:out_range=full"
        else:
            self._source, options = f"yuv444p{self._bits}le", f"in_range={ranges}:out_range={ranges}"
        scaling = pixel_format != self._source
        self._scaler = Scaler(self._source, pixel_format, width, height, options) if scaling else None

    def __call__(self, picture: np.ndarray) -> Any:
        """A frame of a picture [H, W, 3]."""
        if self._source == "rgb24":
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(eight_bits(picture)), format="rgb24")
        else:
            frame = self._deep_frame(sixteen_bits(picture))
        return frame if self._scaler is None else self._scaler(frame)

    def _deep_frame(self, picture: np.ndarray) -> Any:
        if self._is_rgb:
            values = picture[..., [1, 2, 0]]
        else:
            yuv = cv2.transform(picture.astype(np.float32), _rgb_to_yuv(self._yuv, self._bits))
            values = np.clip(np.rint(yuv), 0, (1 << self._bits) - 1).astype(np.uint16)
        frame = av.VideoFrame(*self._size, self._source)
        for channel, plane in enumerate(frame.planes):
            plane_samples(plane, self._bits)[:] = values[..., channel]
        return frame


def eight_bits(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] as uint8; uint16 ones are dithered so that smooth tones do not show steps."""
    if picture.dtype == np.uint8:
        return picture
    height, width = picture.shape[:2]
    threshold = np.tile(_BAYER_8, (height // 8 + 1, width // 8 + 1))[:height, :width, None]
    return np.floor(picture * np.float32(255 / 65535) + threshold.astype(np.float32)).astype(np.uint8)


def sixteen_bits(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] as full-range uint16."""
    return picture.astype(np.uint16) * 257 if picture.dtype == np.uint8 else picture


def _depth(pixel_format: str) -> tuple[int, bool]:
    layout = av.VideoFormat(pixel_format, 16, 16)
    return bits_of(layout), bool(layout.is_rgb)


def _rgb_to_yuv(yuv: YuvMeaning, bits: int) -> np.ndarray:
    """The affine map [3, 4] of full-range 16-bit RGB to `bits`-bit YUV (H.273, equations 20 to 25 and 38 to 40)."""
    kr, kb = LUMA_COEFFICIENTS[yuv.matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    blue = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - kb))
    red = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - kr))
    unit = 1 << (bits - 8)
    luma_gain, chroma_gain, black = (219 * unit, 224 * unit, 16 * unit)
    if yuv.full_range:
        luma_gain, chroma_gain, black = ((1 << bits) - 1, (1 << bits) - 1, 0)
    rows = np.stack([luma * luma_gain, blue * chroma_gain, red * chroma_gain]) / 65535
    return np.column_stack([rows, [black, 128 * unit, 128 * unit]])


def _yuv_to_rgb(yuv: YuvMeaning, bits: int) -> np.ndarray:
    forward = _rgb_to_yuv(yuv, bits)
    inverse = np.linalg.inv(forward[:, :3])
    return np.column_stack([inverse, -inverse @ forward[:, 3]])


def plane_samples(plane: Any, bits: int) -> np.ndarray:
    """A plane's samples [height, width] of uint8, or uint16 from 9 bits on: the plane's own memory."""
    dtype: np.dtype[Any] = np.dtype("<u2" if bits > 8 else np.uint8)
    rows = np.frombuffer(plane, dtype=np.uint8)[: plane.height * plane.line_size]
    return rows.reshape(plane.height, plane.line_size).view(dtype)[:, : plane.width]


def packed_alpha(plane: Any) -> np.ndarray:
    """The last byte of each pixel [height, width] of a plane of four bytes a pixel: the plane's own memory."""
    rows = np.frombuffer(plane, np.uint8)[: plane.height * plane.line_size]
    return rows.reshape(plane.height, plane.line_size)[:, 3 : 4 * plane.width : 4]


class Scaler:
    """An FFmpeg filter graph that changes the pixel format.

    From one format of luma and chroma to another of no fewer bits, luma is kept bit by bit, and so is chroma where
    both have as many samples of it; nothing is clipped. More bits come by a shift in limited range, by repetition of
    the highest ones in full.
    """

    def __init__(self, source: str, target: str, width: int, height: int, options: str) -> None:
        for chroma in _CHROMA_OPTIONS:
            try:
                self._graph = self._build(source, target, width, height, f"{options}:{chroma}:{_SCALER}")
                return
            except (av.error.FFmpegError, ValueError):
                if chroma == _CHROMA_OPTIONS[-1]:
                    raise

    @staticmethod
    def _build(source: str, target: str, width: int, height: int, options: str) -> Any:
        graph = av.filter.Graph()
        steps = [
            graph.add_buffer(width=width, height=height, format=av.VideoFormat(source), time_base=_TICK),
            graph.add("scale", options),
            graph.add("format", f"pix_fmts={target}"),
            graph.add("buffersink"),
        ]
        for first, second in pairwise(steps):
            first.link_to(second)
        graph.configure()
        return graph

    def __call__(self, frame: Any) -> Any:
        # The options above say what the numbers mean; a frame's own tags must not contradict them.
        frame.colorspace, frame.color_range = UNSPECIFIED, 0
        frame.pts, frame.time_base = 0, _TICK
        self._graph.push(frame)
        return self._graph.pull()
