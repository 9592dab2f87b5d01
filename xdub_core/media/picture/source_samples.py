"""The samples of stored pictures, upright and in the format that is encoded: the source's own, bit by bit."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from xdub_core.media.picture.color import HD_VIDEO, YuvMeaning
from xdub_core.media.picture.frame import StoredPicture
from xdub_core.media.picture.orientation import UPRIGHT, Orientation
from xdub_core.media.picture.pixel_layout import PixelLayout, bits_of, chroma_of, format_has_alpha, layout_of
from xdub_core.media.picture.rgb_conversion import Scaler, packed_alpha, plane_samples

_FULL_RANGE = "in_range=full:out_range=full"


class _Scalers:
    """Conversions of frames, kept by what they convert."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, int, int], Scaler] = {}

    def scaled(self, frame: Any, target: str, options: str) -> Any:
        """A frame in the pixel format `target`: itself where it has it."""
        key = (frame.format.name, target, frame.width, frame.height)
        if key[0] == target:
            return frame
        if key not in self._made:
            self._made[key] = Scaler(*key, options)
        return self._made[key](frame)


class SourceSamples:
    """Stored pictures of one kind -> planes of one pixel format.

    Luma is the source's own where the format has no fewer bits, and so is chroma where it has as many samples of it;
    what the format cannot hold is resampled or dithered. Numbers mean the same in both.

    Args:
        target: the layout of the planes, without alpha.
        width, height: the upright pictures' size.
        yuv: what the numbers mean.
    """

    def __init__(self, target: PixelLayout, width: int, height: int, yuv: YuvMeaning) -> None:
        self._target = target
        self._size = (width, height)
        ranges = "full" if yuv.full_range else "limited"
        self._options = f"in_range={ranges}:out_range={ranges}"
        self._scalers = _Scalers()

    def planes(self, stored: StoredPicture) -> list[np.ndarray] | None:
        """Luma and chroma [rows, columns] of uint8 or uint16, to be read only; None where they cannot be had so.

        They cannot of RGB, of pictures of another size, and of pictures whose turning would move chroma samples from
        one pixel to another.
        """
        layout = layout_of(stored.samples.format.name)
        if layout is None or not self._fits(stored, layout):
            return None
        opaque = PixelLayout(layout.chroma, layout.bits)
        if stored.orientation == UPRIGHT:
            frame = self._scaled(stored.samples, self._target.name)
        else:
            frame = _turned(self._scaled(stored.samples, opaque.name), opaque, stored.orientation)
            frame = self._scaled(frame, self._target.name)
        return [plane_samples(plane, self._target.bits) for plane in frame.planes]

    def _fits(self, stored: StoredPicture, layout: PixelLayout) -> bool:
        turning, samples = stored.orientation, stored.samples
        size = (samples.width, samples.height)
        across, down = layout.divisors
        if turning.transpose:
            size, (across, down) = size[::-1], (down, across)
        moved = (turning.flip_x and size[0] % across) or (turning.flip_y and size[1] % down)
        return size == self._size and not moved and all(plane.line_size > 0 for plane in samples.planes)

    def _scaled(self, frame: Any, target: str) -> Any:
        # Which swscale takes for full range.
        grey = "gray" in (chroma_of(frame.format.name), chroma_of(target))
        return self._scalers.scaled(frame, target, _FULL_RANGE if grey else self._options)


class AlphaSamples:
    """The transparency of stored pictures -> [H, W] upright, 0 to 2**bits - 1 (opaque), whatever format has it."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._scalers = _Scalers()

    def plane(self, stored: StoredPicture) -> np.ndarray | None:
        """uint8, or uint16 from 9 bits on, to be read only; None where the picture has no transparency."""
        frame = stored.samples
        if not format_has_alpha(frame.format.name):
            return None
        bits = bits_of(frame.format)
        if len(frame.planes) == 4:
            samples = plane_samples(frame.planes[3], bits)
        elif bits <= 8:
            bits, samples = 8, packed_alpha(self._scalers.scaled(frame, "rgba", _FULL_RANGE).planes[0])
        else:
            bits = 16
            samples = plane_samples(self._scalers.scaled(frame, "gbrap16le", _FULL_RANGE).planes[3], bits)
        alpha = stored.orientation.apply(samples)
        if bits == self._bits:
            return alpha
        scale = ((1 << self._bits) - 1) / ((1 << bits) - 1)
        return np.rint(alpha * np.float32(scale)).astype(np.uint8 if self._bits <= 8 else np.uint16)


def stored_twice(stored: StoredPicture) -> StoredPicture | None:
    """A stored picture twice, side by side and upright; None where its samples cannot be put there so."""
    layout = layout_of(stored.samples.format.name)
    if layout is None:
        return None
    opaque = PixelLayout(layout.chroma, layout.bits)
    turned = opaque.turned if stored.orientation.transpose else opaque
    width, height = stored.samples.width, stored.samples.height
    if stored.orientation.transpose:
        width, height = height, width
    planes = SourceSamples(turned, width, height, HD_VIDEO).planes(stored)
    if planes is None or width % turned.divisors[0]:
        return None
    result = av.VideoFrame(2 * width, height, turned.name)
    for plane, samples in zip(result.planes, planes, strict=True):
        plane_samples(plane, turned.bits)[:] = np.concatenate([samples, samples], axis=1)
    return StoredPicture(result)


def _turned(frame: Any, layout: PixelLayout, orientation: Orientation) -> Any:
    """A planar frame, upright."""
    size = (frame.height, frame.width) if orientation.transpose else (frame.width, frame.height)
    turned = layout.turned if orientation.transpose else layout
    result = av.VideoFrame(*size, turned.name)
    for plane, source in zip(result.planes, frame.planes, strict=True):
        plane_samples(plane, layout.bits)[:] = orientation.apply(plane_samples(source, layout.bits))
    return result
