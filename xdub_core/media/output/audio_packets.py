"""Sound for an output video: packets copied untouched where the container takes them, encoded otherwise."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.container.audio_streams import audio_stream
from xdub_core.media.container.ogg_chain import open_sound
from xdub_core.media.container.opening import FFmpegError, reason
from xdub_core.media.output.encode_settings import Container, EncodeSettings
from xdub_core.media.sound.mix import Sound, samples_of
from xdub_core.media.sound.placed_sound import own_kind
from xdub_core.media.sound.resample import packed_frame
from xdub_core.media.sound.sound_blocks import SoundReport, first_sound, sound_blocks
from xdub_core.media.sound.sound_place import AudioTrack

log = logging.getLogger(__name__)

_CODEC_NAMES = {"mp3float": "mp3", "libopus": "opus", "libvorbis": "vorbis", "ac3_fixed": "ac3"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class PacketSource(Protocol):
    """A source of finished packets of a track, in step with the video."""

    def packets(self, until: float) -> Iterator[Any]:
        """Packets of what comes before `until` (seconds of the output) and has not been given yet."""

    def last_packets(self) -> Iterator[Any]:
        """What the encoder still holds."""

    def close(self) -> None:
        """Close the recording."""


def open_audio(output: Any, sound: Sound, container: Container, settings: EncodeSettings) -> PacketSource:
    """Add an audio stream to an output that has not begun, by copying or encoding as the settings say.

    Only sound that is one whole recording is copied (`SoundReport.intact`): a container cannot say that timestamps
    start again, nor that the rate changes on the way; and a mix is in no file.

    Raises:
        MediaError: the file cannot be read or has no sound; or copying is asked for and impossible.
    """
    if settings.audio != "encode" and isinstance(sound, AudioTrack):
        copied = _CopiedAudio.try_open(output, Path(sound.path), sound, container)
        if copied is not None:
            return copied
    if settings.audio == "copy" and not isinstance(sound, AudioTrack):
        raise MediaError(f"{named(sound)}: a mix of recordings cannot be copied; let it be encoded")
    if settings.audio == "copy":
        raise MediaError(
            f"{named(sound)}: {container.format} files cannot hold this sound as it is; let it be encoded, or use .mkv"
        )
    return _EncodedAudio(output, sound, container, settings)


def named(sound: Sound) -> str:
    """The file that the sound is from, or the files."""
    return " + ".join(
        str(track.path) for track in ([sound] if isinstance(sound, AudioTrack) else sound.tracks)
    )


def _is_intact(path: Path, track: AudioTrack) -> bool:
    """Whether the packets can be copied: known already, or found out by reading them all."""
    if track.intact is not None:
        return track.intact
    report = SoundReport()
    for _ in sound_blocks(path, track.number, report):
        pass
    report.warn(path)
    return report.intact


class _CopiedAudio:
    """Packets as they are, with new timestamps.

    The packet in which the part begins is kept whole, with a timestamp before 0 if need be: players skip what comes
    before 0, and the decoder needs it.
    """

    def __init__(self, source: ExitStack, stream: Any, out: Any, track: AudioTrack, first: Fraction) -> None:
        self._source = source
        self._out = out
        self._track = track
        self._shift = Fraction(track.delay - track.start).limit_denominator(10**6) - first
        self._pending: Any = None
        self._demuxed = (packet for packet in stream.container.demux(stream) if packet.size)

    @classmethod
    def try_open(
        cls, output: Any, path: Path, track: AudioTrack, container: Container
    ) -> _CopiedAudio | None:
        """None where the packets are not whole, the container does not take the codec, or PyAV cannot copy it."""
        with ExitStack() as stack:
            stream = audio_stream(stack.enter_context(open_sound(path)), path, track.number)
            codec = _CODEC_NAMES.get(stream.codec_context.name, stream.codec_context.name)
            if container.copies(codec) and _can_begin(container, stream) and _is_intact(path, track):
                first = Fraction(first_sound(path, track.number) or 0).limit_denominator(10**6)
                out = output.add_stream_from_template(stream)
                return cls(stack.pop_all(), stream, out, track, first)
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


def _can_begin(container: Container, stream: Any) -> bool:
    """Whether a file of this container begins with such a stream: FFmpeg's muxers refuse some only there."""
    try:
        with av.open(io.BytesIO(), "w", format=container.format) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError) as error:
        log.info("this sound cannot be copied to %s (%s)", container.format, reason(error))
        return False
    return True


class _EncodedAudio:
    """Decoded, cut to the sample, and encoded anew."""

    def __init__(self, output: Any, sound: Sound, container: Container, settings: EncodeSettings) -> None:
        own_rate, self._layout = _kind_of(sound)
        self._rate = _rate_for(container.audio_encoder, own_rate)
        self._channels = av.AudioLayout(self._layout).nb_channels
        self._stream = output.add_stream(container.audio_encoder, rate=self._rate)
        self._stream.codec_context.layout = self._layout
        # No more than an AAC frame can hold (6144 bits a channel and 1024 samples).
        highest = min(128_000 * self._channels, int(5.9 * self._rate * self._channels))
        self._stream.codec_context.bit_rate = min(settings.audio_bitrate, highest)
        self._duration = sound.duration
        self._written = 0
        self._rest = np.zeros((self._channels, 0), np.float32)
        self._chunks = samples_of(sound, self._rate, self._layout)
        log.info("%s: the sound is encoded with %s for this container", named(sound), container.audio_encoder)

    def packets(self, until: float) -> Iterator[Any]:
        target = int(min(until, self._duration) * self._rate)
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
        self._chunks.close()

    def _encode(self, samples: np.ndarray) -> Iterator[Any]:
        frame = packed_frame(samples, self._rate, self._layout)
        frame.pts, frame.time_base = self._written, Fraction(1, self._rate)
        self._written += samples.shape[1]
        yield from self._stream.encode(frame)


def _kind_of(sound: Sound) -> tuple[int, str]:
    """Its rate and layout."""
    return own_kind(sound) if isinstance(sound, AudioTrack) else (sound.rate, sound.layout)


def _rate_for(encoder: str, rate: int) -> int:
    if encoder == "libopus":
        return 48000
    return rate if rate in _AAC_RATES else 48000
