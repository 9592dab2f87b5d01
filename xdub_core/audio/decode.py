"""Any sound that PyAV can read, as a stream of 16 kHz mono float32 blocks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from xdub_core.audio.channels import mix_to_mono
from xdub_core.errors import MediaError

SAMPLE_RATE = 16000  # X-DUB facts §3: both encoders hear 16 kHz mono

_log = logging.getLogger(__name__)


class MonoResampler:
    """Streams mono float32 of one rate to 16 kHz with FFmpeg's resampler; 16 kHz itself passes bit-exactly."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._resampler = (
            None if rate == SAMPLE_RATE else av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        )

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Take a block [n] and give the blocks that are ready."""
        if self._resampler is None:
            yield samples
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono"
        )
        frame.sample_rate = self.rate
        yield from self._convert(frame)

    def flush(self) -> Iterator[np.ndarray]:
        """Give what the filter still holds."""
        if self._resampler is not None:
            yield from self._convert(None)

    def _convert(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        assert self._resampler is not None
        for out in self._resampler.resample(frame):
            yield out.to_ndarray()[0]


def frame_to_float(frame: av.AudioFrame) -> np.ndarray:
    """Samples of a decoded frame as float32 [C, n], full scale at -1..1 (int16 is divided by exactly 32768)."""
    data: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        return (data.astype(np.float32) - 128) / 128
    if np.issubdtype(data.dtype, np.integer):
        return (data / -float(np.iinfo(data.dtype).min)).astype(np.float32)
    return data.astype(np.float32)


def decode_mono(path: str | Path) -> Iterator[np.ndarray]:
    """Yield a file's sound as 16 kHz mono float32 blocks [n], in one streaming pass.

    The first block starts at the first sample of the file's default audio stream. A file whose header lies about its
    length gives what it really holds.

    Raises:
        MediaError: no such file, no audio stream, not a media file, or damaged on the way.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(f"There is no file {path}: check the name.")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"Cannot read {path} as audio or video ({_reason(error)}): is it damaged?"
        ) from error
    with container:
        stream = container.streams.best("audio")
        if stream is None:
            raise MediaError(f"{path} has no sound: choose a file with an audio track.")
        yield from _resampled(_decoded_frames(container, stream, path))


def _resampled(frames: Iterator[av.AudioFrame]) -> Iterator[np.ndarray]:
    resampler: MonoResampler | None = None
    for frame in frames:
        if resampler is None or resampler.rate != frame.sample_rate:
            if resampler is not None:  # some streams change their rate on the way
                yield from resampler.flush()
            resampler = MonoResampler(frame.sample_rate)
        names = [channel.name for channel in frame.layout.channels]
        yield from resampler.feed(mix_to_mono(frame_to_float(frame), names))
    if resampler is not None:
        yield from resampler.flush()


def _decoded_frames(container: Any, stream: Any, path: Path) -> Iterator[av.AudioFrame]:
    """Decode packet by packet. Junk before the first sound and a cut last packet are common and harmless; damage
    between two good packets would shift all that follows, so it is an error."""
    seconds = 0.0
    damage: Exception | None = None
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except (av.error.FFmpegError, OSError) as error:
            raise _damaged(path, seconds, error) from error
        try:
            frames = [frame for frame in packet.decode() if frame.samples]
        except (av.error.FFmpegError, ValueError) as error:
            damage = error
            continue
        if damage is not None and frames and seconds > 0:
            raise _damaged(path, seconds, damage)
        for frame in frames:
            damage = None
            seconds += frame.samples / frame.sample_rate
            yield frame
    if damage is not None:
        if seconds == 0:
            raise MediaError(f"Nothing in {path} can be decoded ({_reason(damage)}): is it damaged?")
        _log.warning("%s ends with a damaged packet: %.2f seconds were read", path, seconds)


def _damaged(path: Path, seconds: float, error: Exception) -> MediaError:
    return MediaError(
        f"{path} is damaged {seconds:.1f} seconds from its start ({_reason(error)}): "
        "convert it again from its source, or cut the damaged part out."
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
