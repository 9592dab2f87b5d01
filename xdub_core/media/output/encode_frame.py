"""Finished frames -> frames to encode, in which everything that was not changed is the source's own samples.

A picture's way through RGB costs something even where nothing was done to it: super-blacks and super-whites are
clipped, chroma is resampled, numbers are rounded. So what is encoded starts from the samples that the source's file
stores, and only what was changed is computed from RGB.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np

from xdub_core.media.picture.color import YuvMeaning
from xdub_core.media.picture.frame import FinishedFrame, Rectangle, SourceFrame
from xdub_core.media.picture.pixel_layout import PixelLayout, bits_of, layout_of
from xdub_core.media.picture.rgb_conversion import FromRgb, packed_alpha, plane_samples
from xdub_core.media.picture.source_samples import AlphaSamples, SourceSamples

_FADE = 6 / 255
"""A pixel changed by this much in any channel keeps nothing of what only the stored sample knew; one changed less, in
proportion: a hard switch would show wherever the stored sample is not what RGB makes of it."""
_MARGIN = 16
_STEP = 64
"""Changed rectangles are converted with some pixels around them, in sizes of so many pixels: a converter is made for
each size, and the box of a moving face has a new one in every frame."""


class ToEncode:
    """Frames of one size -> frames of one pixel format.

    Args:
        pixel_format: FFmpeg's name of the format that is encoded.
        width, height: the frames' size.
        padding: rows below and columns on the right that repeat the last one, for codecs that need even sizes.
        yuv: what YUV numbers mean in the output.
        stored_yuv: what they mean in the source's stored pictures; None where these are RGB, or not known.
    """

    def __init__(
        self,
        pixel_format: str,
        width: int,
        height: int,
        padding: tuple[int, int],
        yuv: YuvMeaning,
        stored_yuv: YuvMeaning | None = None,
    ) -> None:
        self._format = pixel_format
        self._size = (width, height)
        self._padding = padding
        self._from_rgb = FromRgb(pixel_format, width + padding[1], height + padding[0], yuv)
        form = av.VideoFormat(pixel_format, 16, 16)
        self._bits = bits_of(form)
        self._packed = not form.is_planar
        has_alpha = any(component.is_alpha for component in form.components)
        self._alpha = AlphaSamples(self._bits) if has_alpha else None
        self._stored: SourceSamples | None = None
        layout = layout_of(pixel_format)
        if layout is not None and stored_yuv == yuv:
            opaque = PixelLayout(layout.chroma, layout.bits)
            self._stored = SourceSamples(opaque, width, height, yuv)
            self._changes = _Changes(opaque, yuv, width, height)

    def __call__(self, frame: FinishedFrame) -> Any:
        """A PyAV VideoFrame of a finished frame."""
        stored = None if frame.source is None else frame.source.stored
        own = None if self._stored is None or stored is None else self._stored.planes(stored)
        if own is None or frame.source is None:
            below, right = self._padding
            padded = np.pad(frame.rgb, ((0, below), (0, right), (0, 0)), mode="edge")
            result = self._from_rgb(padded)
        else:
            result = self._with_own_samples(frame, frame.source, own)
        if self._alpha is not None:
            self._set_alpha(result, None if stored is None else self._alpha.plane(stored))
        return result

    def _with_own_samples(self, frame: FinishedFrame, source: SourceFrame, own: list[np.ndarray]) -> Any:
        width, height = self._size
        result = av.VideoFrame(width + self._padding[1], height + self._padding[0], self._format)
        padded = [plane_samples(plane, self._bits) for plane in result.planes[: len(own)]]
        planes = [whole[: len(part), : part.shape[1]] for whole, part in zip(padded, own, strict=True)]
        for plane, samples in zip(planes, own, strict=True):
            np.copyto(plane, samples)
        for rectangle in frame.changed:
            self._changes.carry_over(planes, own, frame.rgb, source.rgb, rectangle)
        for whole, part in zip(padded, planes, strict=True):
            _repeat_edges(whole, *part.shape)
        return result

    def _set_alpha(self, result: Any, alpha: np.ndarray | None) -> None:
        """Write transparency into a frame; without any, make it opaque."""
        plane = result.planes[0 if self._packed else 3]
        target = packed_alpha(plane) if self._packed else plane_samples(plane, self._bits)
        width, height = self._size
        if alpha is None or alpha.shape != (height, width):
            target[:] = (1 << self._bits) - 1
            return
        target[:height, :width] = alpha
        _repeat_edges(target, height, width)


class _Changes:
    """Carries changes of RGB pictures over to planes of luma and chroma."""

    def __init__(self, layout: PixelLayout, yuv: YuvMeaning, width: int, height: int) -> None:
        self._layout = layout
        self._size = (width, height)
        self._to_yuv = lru_cache(maxsize=8)(lambda columns, rows: FromRgb(layout.name, columns, rows, yuv))

    def carry_over(
        self,
        planes: list[np.ndarray],
        own: list[np.ndarray],
        picture: np.ndarray,
        source: np.ndarray,
        rectangle: Rectangle,
    ) -> None:
        """Write into `planes`, within a rectangle, what `picture` is and `source` was not.

        A sample of which no pixel was changed stays `own`'s. One that was changed is computed from `picture`, and
        keeps the less of what RGB could not hold the more it was changed: nothing of the old picture shows through.
        """
        x0, y0, x1, y1 = rectangle
        across, down = self._layout.divisors
        x0, y0 = x0 - x0 % across, y0 - y0 % down
        if x0 >= x1 or y0 >= y1:
            return
        columns, rows = (_around(*span) for span in ((x0, x1, self._size[0]), (y0, y1, self._size[1])))
        new, old = (np.ascontiguousarray(whole[rows, columns]) for whole in (picture, source))
        kept = _kept(new, old)
        if kept is None:
            return
        convert = self._to_yuv(columns.stop - columns.start, rows.stop - rows.start)
        new_planes, old_planes = (
            [plane_samples(plane, self._layout.bits) for plane in convert(part).planes] for part in (new, old)
        )
        for number, plane in enumerate(planes):
            step_x, step_y = (across, down) if number else (1, 1)
            inner = (
                slice((y0 - rows.start) // step_y, -((rows.start - y1) // step_y)),
                slice((x0 - columns.start) // step_x, -((columns.start - x1) // step_x)),
            )
            outer = (
                slice(y0 // step_y, -(-y1 // step_y)),
                slice(x0 // step_x, -(-x1 // step_x)),
            )
            share = _least_of_blocks(kept, step_x, step_y)[inner]
            plane[outer] = _blended(
                new_planes[number][inner],
                old_planes[number][inner],
                own[number][outer],
                share,
                self._layout.bits,
            )


def _around(start: int, stop: int, size: int) -> slice:
    """A span with a margin, of a length that is a multiple of the step where the picture is large enough."""
    first = max(0, start - _MARGIN) // 4 * 4
    length = -(-(stop + _MARGIN - first) // _STEP) * _STEP
    if first + length < size:
        return slice(first, first + length)
    return slice(max(0, size - length) // 4 * 4, size)


def _kept(new: np.ndarray, old: np.ndarray) -> np.ndarray | None:
    """How much each pixel keeps of what RGB could not hold: float32 [H, W], 1 where unchanged; None if all are."""
    difference = cv2.absdiff(new, old)
    red, green, blue = cv2.split(difference)
    most = cv2.max(cv2.max(red, green), blue)
    if not cv2.countNonZero(most):
        return None
    kept = most.astype(np.float32)
    kept *= -1 / (_FADE * np.iinfo(new.dtype).max)
    kept += 1
    return np.maximum(kept, 0, out=kept)


def _least_of_blocks(values: np.ndarray, across: int, down: int) -> np.ndarray:
    """The least value of each block of pixels that share a chroma sample."""
    if across == down == 1:
        return values
    height, width = values.shape
    padded = np.pad(values, ((0, -height % down), (0, -width % across)), mode="edge")
    least = padded[::down, ::across].copy()
    for row in range(down):
        for column in range(across):
            np.minimum(least, padded[row::down, column::across], out=least)
    return least


def _blended(new: np.ndarray, old: np.ndarray, own: np.ndarray, share: np.ndarray, bits: int) -> np.ndarray:
    """`new`, with `share` of what `own` has and `old` lacks."""
    lacking = cv2.subtract(own, old, dtype=cv2.CV_32F)
    depth = cv2.CV_8U if bits <= 8 else cv2.CV_16U
    sums = cv2.add(new, cv2.multiply(lacking, share), dtype=depth)  # rounds, saturates
    return sums if bits in (8, 16) else np.minimum(sums, (1 << bits) - 1)


def _repeat_edges(plane: np.ndarray, height: int, width: int) -> None:
    """Fill a plane to the right of and below the part that is known."""
    plane[:height, width:] = plane[:height, width - 1 : width]
    plane[height:] = plane[height - 1]
