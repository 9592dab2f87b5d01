"""Sound of one rate to another, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np


class Resampler:
    """Streams float32 [C, n] of one rate to another with FFmpeg's resampler; an equal rate passes bit-exactly.

    Args:
        rate: samples a second that come in.
        new_rate: samples a second that go out.
        layout: FFmpeg's name of the channels' layout, of C channels.
    """

    def __init__(self, rate: int, new_rate: int, layout: str = "mono") -> None:
        self.rate = rate
        self._layout = layout
        self._channels = av.AudioLayout(layout).nb_channels
        self._resampler = (
            None if rate == new_rate else av.AudioResampler(format="flt", layout=layout, rate=new_rate)
        )

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Take a block [C, n] and give the blocks that are ready."""
        if self._resampler is None:
            yield samples
        elif samples.shape[1]:
            yield from self._convert(packed_frame(samples, self.rate, self._layout))

    def flush(self) -> Iterator[np.ndarray]:
        """Give what the filter still holds."""
        if self._resampler is not None:
            yield from self._convert(None)

    def _convert(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        assert self._resampler is not None
        for out in self._resampler.resample(frame):
            yield out.to_ndarray().reshape(-1, self._channels).T


def packed_frame(samples: np.ndarray, rate: int, layout: str) -> av.AudioFrame:
    """A frame of float32 [C, n], its channels interleaved: PyAV miscounts the planes of eight channels and more."""
    interleaved = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
    frame.sample_rate = rate
    return frame
