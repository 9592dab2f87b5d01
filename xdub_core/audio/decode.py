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
from xdub_core.media.containers import FFmpegError, audio_stream, open_input, reason

SAMPLE_RATE = 16000  # X-DUB facts §3: both encoders hear 16 kHz mono
# Seconds. Timestamps wander a little in many containers; beyond this they show a hole in the sound.
SHORTEST_GAP = 0.1
LONGEST_GAP = 600.0

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

    The first block starts at the first sample of the file's audio stream (`best_audio`). Where timestamps show a
    hole in the sound, silence fills it. A file whose header lies about its length gives what it really holds.

    Raises:
        MediaError: no such file, no audio stream, not a media file, or damaged on the way.
    """
    path = Path(path)
    with open_input(path) as container:
        yield from _resampled(_decoded_frames(container, audio_stream(container, path), path), path)


def _resampled(frames: Iterator[av.AudioFrame], path: Path) -> Iterator[np.ndarray]:
    resampler: MonoResampler | None = None
    start: float | None = None
    seconds = 0.0
    for frame in frames:
        if resampler is None or resampler.rate != frame.sample_rate:
            if resampler is not None:  # some streams change their rate on the way
                yield from resampler.flush()
            resampler = MonoResampler(frame.sample_rate)
        if frame.time is not None:
            start = frame.time - seconds if start is None else start
            for silence in _gap(frame.time - start - seconds, seconds, frame.sample_rate, path):
                seconds += silence.size / frame.sample_rate
                yield from resampler.feed(silence)
        names = [channel.name for channel in frame.layout.channels]
        yield from resampler.feed(mix_to_mono(frame_to_float(frame), names))
        seconds += frame.samples / frame.sample_rate
    if resampler is not None:
        yield from resampler.flush()


def _gap(gap: float, seconds: float, rate: int, path: Path) -> Iterator[np.ndarray]:
    """Silence for a hole that the timestamps show, so that what follows stays in time, as players play it."""
    if gap > LONGEST_GAP:
        raise MediaError(
            f"{path}: its timestamps jump by {gap:.0f} seconds, {seconds:.1f} seconds from its start; convert it "
            "again from its source"
        )
    if gap < SHORTEST_GAP:
        return
    _log.warning(
        "%s: %.2f seconds of sound are missing at %.2f seconds; silence is put there", path, gap, seconds
    )
    left = round(gap * rate)
    while left > 0:
        yield np.zeros(min(left, rate), dtype=np.float32)
        left -= rate


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
        except (FFmpegError, OSError) as error:
            raise _damaged(path, seconds, error) from error
        try:
            frames = [frame for frame in packet.decode() if frame.samples]
        except (FFmpegError, ValueError) as error:
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
            raise MediaError(f"{path}: none of its sound can be decoded ({reason(damage)}); is it damaged?")
        _log.warning("%s ends with a damaged packet: %.2f seconds were read", path, seconds)


def _damaged(path: Path, seconds: float, error: Exception) -> MediaError:
    return MediaError(
        f"{path}: damaged {seconds:.1f} seconds from its start ({reason(error)}); "
        "convert it again from its source, or cut the damaged part out"
    )
