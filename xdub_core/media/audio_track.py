"""Sound for an output video: packets copied untouched where the container takes them, encoded otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.containers import FFmpegError, audio_stream, open_input, reason
from xdub_core.media.encode_settings import Container, EncodeSettings

log = logging.getLogger(__name__)

_CODEC_NAMES = {"mp3float": "mp3", "libopus": "opus", "libvorbis": "vorbis", "ac3_fixed": "ac3"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_MOST_FILLED_SECONDS = 60.0
_HEARD_GAP_SECONDS = 0.05


@dataclass(frozen=True)
class AudioTrack:
    """A recording's part that goes with a video.

    Attributes:
        path: any file with sound; of several audio streams the one that players take (`best_audio`).
        start: second of the recording that goes with the first frame; 0 is its first sample without encoder padding.
        delay: seconds of silence before that.
        duration: seconds that are taken at most, from the first frame on; the video's end cuts as well.
    """

    path: Path
    start: float = 0.0
    delay: float = 0.0
    duration: float = float("inf")


class AudioMuxer(Protocol):
    """A source of finished audio packets, in step with the video."""

    def packets(self, until: float) -> Iterator[Any]:
        """Packets of what comes before `until` (seconds of the output) and has not been given yet."""

    def last_packets(self) -> Iterator[Any]:
        """What the encoder still holds."""

    def close(self) -> None:
        """Close the recording."""


def open_audio(output: Any, track: AudioTrack, container: Container, settings: EncodeSettings) -> AudioMuxer:
    """Add an audio stream to an output that has not begun, by copying or encoding as the settings say.

    Raises:
        MediaError: the file cannot be read or has no sound; or copying is asked for and impossible.
    """
    path = Path(track.path)
    first = _first_sample_time(path)
    if settings.audio != "encode":
        copied = _CopiedAudio.try_open(output, path, track, container, first)
        if copied is not None:
            return copied
    if settings.audio == "copy":
        raise MediaError(
            f"{path}: {container.format} files cannot hold this sound as it is; let it be encoded, or use .mkv"
        )
    return _EncodedAudio(output, path, track, container, settings, first)


def _first_sample_time(path: Path) -> Fraction:
    """The first heard sample's time on the container's clock: encoder padding is skipped by decoding."""
    with open_input(path) as source:
        for frame in _decoded(source, audio_stream(source, path), path):
            return Fraction(frame.pts or 0) * frame.time_base
    raise MediaError(f"{path}: the audio holds no samples")


def _decoded(source: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Audio frames; packets that cannot be decoded are left out, with one warning."""
    warned = False
    try:
        for packet in source.demux(stream):
            try:
                yield from (frame for frame in packet.decode() if frame.samples)
            except FFmpegError as error:
                if not warned:
                    log.warning(
                        "%s: a part of the audio cannot be decoded (%s); it is left silent",
                        path,
                        reason(error),
                    )
                warned = True
    except (FFmpegError, OSError) as error:
        log.warning("%s: the audio ends early (%s)", path, reason(error))


class _CopiedAudio:
    """Packets as they are, with new timestamps.

    The packet in which the part begins is kept whole, with a timestamp before 0 if need be: players skip what comes
    before 0, and the decoder needs it.
    """

    def __init__(self, source: Any, stream: Any, out: Any, track: AudioTrack, first: Fraction) -> None:
        self._source = source
        self._out = out
        self._track = track
        self._shift = Fraction(track.delay - track.start).limit_denominator(10**6) - first
        self._pending: Any = None
        self._demuxed = (packet for packet in source.demux(stream) if packet.size)

    @classmethod
    def try_open(
        cls, output: Any, path: Path, track: AudioTrack, container: Container, first: Fraction
    ) -> _CopiedAudio | None:
        """None where the container does not take the codec, or PyAV cannot copy it."""
        source = open_input(path)
        stream = audio_stream(source, path)
        codec = _CODEC_NAMES.get(stream.codec_context.name, stream.codec_context.name)
        if container.copies(codec, stream.codec_context.sample_rate):
            try:
                return cls(source, stream, output.add_stream_from_template(stream), track, first)
            except (FFmpegError, ValueError) as error:
                log.info("%s: its %s sound cannot be copied (%s)", path, codec, reason(error))
        source.close()
        return None

    def packets(self, until: float) -> Iterator[Any]:
        until = min(until, self._track.duration)
        while True:
            if self._pending is None:
                self._pending = next(self._demuxed, None)
            packet = self._pending
            if packet is None:
                return
            begin = packet.pts * packet.time_base + self._shift
            if begin >= until:
                return
            self._pending = None
            end = begin + (packet.duration or 0) * packet.time_base
            # Padding before the first sample belongs to it.
            if end > self._track.delay or self._track.start == 0:
                packet.pts = packet.dts = round(begin / packet.time_base)
                packet.stream = self._out
                yield packet

    def last_packets(self) -> Iterator[Any]:
        return iter(())

    def close(self) -> None:
        self._source.close()


class _EncodedAudio:
    """Decoded, cut to the sample, and encoded anew."""

    def __init__(
        self,
        output: Any,
        path: Path,
        track: AudioTrack,
        container: Container,
        settings: EncodeSettings,
        first: Fraction,
    ) -> None:
        self._source = open_input(path)
        stream = audio_stream(self._source, path)
        self._rate = _rate_for(container.audio_encoder, stream.codec_context.sample_rate)
        channels = len(stream.codec_context.layout.channels)
        self._channels = channels if channels in _LAYOUTS else 2
        self._layout = _LAYOUTS[self._channels]
        self._stream = output.add_stream(container.audio_encoder, rate=self._rate)
        self._stream.codec_context.layout = self._layout
        # No more than an AAC frame can hold (6144 bits a channel and 1024 samples).
        highest = min(128_000 * self._channels, int(5.9 * self._rate * self._channels))
        self._stream.codec_context.bit_rate = min(settings.audio_bitrate, highest)
        self._track = track
        self._written = 0
        self._rest = np.zeros((self._channels, 0), np.float32)
        self._chunks = self._samples(stream, path, first)
        log.info("%s: the sound is encoded with %s for this container", path, container.audio_encoder)

    def packets(self, until: float) -> Iterator[Any]:
        target = int(min(until, self._track.duration) * self._rate)
        while self._written < target:
            if not self._rest.shape[1]:
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._rest = chunk
            taken = min(self._rest.shape[1], target - self._written)
            samples, self._rest = self._rest[:, :taken], self._rest[:, taken:]
            yield from self._encode(samples)

    def last_packets(self) -> Iterator[Any]:
        yield from self._stream.encode(None)

    def close(self) -> None:
        self._source.close()

    def _encode(self, samples: np.ndarray) -> Iterator[Any]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self._written, Fraction(1, self._rate)
        self._written += samples.shape[1]
        yield from self._stream.encode(frame)

    def _samples(self, stream: Any, path: Path, first: Fraction) -> Iterator[np.ndarray]:
        """[channels, n] arrays from the first frame's time on: silence for the delay, then the recording."""
        silence = round(self._track.delay * self._rate)
        while silence > 0:
            yield np.zeros((self._channels, min(silence, self._rate)), np.float32)
            silence -= self._rate
        skip = round(self._track.start * self._rate)
        for chunk in self._resampled(stream, path, first):
            kept = chunk[:, min(skip, chunk.shape[1]) :]
            skip -= chunk.shape[1] - kept.shape[1]
            if kept.shape[1]:
                yield kept

    def _resampled(self, stream: Any, path: Path, first: Fraction) -> Iterator[np.ndarray]:
        resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        given = 0
        for frame in _decoded(self._source, stream, path):
            due = given if frame.pts is None else round((frame.pts * frame.time_base - first) * self._rate)
            frame.pts = None
            if _HEARD_GAP_SECONDS < (due - given) / self._rate < _MOST_FILLED_SECONDS:
                yield np.zeros((self._channels, due - given), np.float32)
                given = due
            for piece in resampler.resample(frame):
                given += piece.samples
                yield piece.to_ndarray()
        yield from (piece.to_ndarray() for piece in resampler.resample(None))


def _rate_for(encoder: str, rate: int) -> int:
    if encoder == "libopus":
        return 48000
    return rate if rate in _AAC_RATES else 48000
