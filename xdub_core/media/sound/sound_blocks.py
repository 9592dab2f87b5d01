"""A file's sound, decoded and on one clock: audio features and outputs both take it from here."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.plane import AudioPlane

from xdub_core.errors import MediaError
from xdub_core.media.container.audio_streams import audio_stream, channels_of
from xdub_core.media.container.ogg_chain import open_links, open_sound
from xdub_core.media.container.opening import FFmpegError, reason

SHORTEST_HOLE = 0.015
"""Seconds by which timestamps run ahead of the sound before silence is put in: a packet is lost, as a rule of 20 ms."""
LONGEST_HOLE = 600.0
"""Seconds; a longer jump is no hole but another recording that was joined to this one."""
LONGEST_HOLE_OF_A_STREAM = 10.0
"""The same for formats that are made to be joined (MPEG-TS, Ogg): FFmpeg's `-dts_delta_threshold`."""
_REJOINED_SECONDS = 0.1
_BLOCK = 1 << 14
_MAY_JUMP = 1 << 9  # FFmpeg's AVFMT_TS_DISCONT
# Formats without timestamps: their readers count frames, and count junk and changed rates wrongly. As with ffmpeg,
# what cannot be decoded there takes no time.
_UNTIMED = frozenset(("aac", "ac3", "aptx", "dts", "dtshd", "eac3", "mlp", "mp3", "sbc", "truehd"))
_SAME_TIMES = frozenset(("mlp", "truehd"))  # their packets are shorter than Matroska's millisecond
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}

_log = logging.getLogger(__name__)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class SoundBlock:
    """Some sound: float32 [C, n], full scale at -1..1, its rate, and its channels' FFmpeg names (or none)."""

    samples: np.ndarray
    rate: int
    names: tuple[str, ...] = ()


@dataclass
class Faults:
    """One kind of fault: how often it was met, where first (seconds from the sound's start), and FFmpeg's words."""

    count: int = 0
    first: float = 0.0
    seconds: float = 0.0
    reason: str = ""

    def add(self, at: float, seconds: float = 0.0, reason: str = "") -> None:
        """Count one more."""
        if not self.count:
            self.first, self.reason = at, reason
        self.count += 1
        self.seconds += seconds

    @property
    def place(self) -> str:
        """Where, in words."""
        first = f"at {self.first:.2f} s"
        return first if self.count == 1 else f"in {self.count} places, the first {first}"


@dataclass
class SoundReport:
    """What reading a file's sound has found; complete when all of it is read.

    Attributes:
        seconds: how long it is, with the silence in its holes.
        undecodable: packets that no sound could be made of; they are passed over.
        holes: gaps that timestamps show, filled with silence, where nothing undecodable explains them.
        restarts: timestamps that start again or jump away: files that were joined.
        ends_early: FFmpeg's words for why reading stopped before the file's end; empty where it did not.
        ordered: whether every packet has a timestamp, after the one of its predecessor.
        free_order: whether the channels are in an order of the file's own.
        kinds: the rates and numbers of channels that were met.
    """

    seconds: float = 0.0
    undecodable: Faults = field(default_factory=Faults)
    holes: Faults = field(default_factory=Faults)
    restarts: Faults = field(default_factory=Faults)
    ends_early: str = ""
    ordered: bool = True
    free_order: bool = False
    kinds: set[tuple[int, int]] = field(default_factory=set)

    @property
    def intact(self) -> bool:
        """Whether the packets can be copied as they are, for any reader.

        They are one recording, of one kind, all of it can be decoded, and its channels are in a usual order: PyAV
        (and so ComfyUI) may crash where they are not.
        """
        whole = not (self.undecodable.count or self.restarts.count or self.ends_early)
        return whole and self.ordered and not self.free_order and len(self.kinds) == 1

    def warn(self, name: object) -> None:
        """Log what a listener should know, each kind of fault once."""
        if self.undecodable.count:
            _log.warning(
                "%s: some of its sound cannot be decoded, %s; it is passed over", name, self.undecodable.place
            )
        if self.holes.count:
            _log.warning(
                "%s: %.2f seconds of sound are missing %s; silence is put there",
                name,
                self.holes.seconds,
                self.holes.place,
            )
        if self.ends_early:
            _log.warning("%s: its sound ends early, at %.2f s (%s)", name, self.seconds, self.ends_early)
        if self.restarts.count:
            _log.info("%s: its timestamps start again %s; all parts are heard", name, self.restarts.place)


def sound_blocks(path: Path, number: int | None, report: SoundReport) -> Generator[SoundBlock, None, None]:
    """A file's sound from its first sample (without encoder padding) to its end, in one streaming pass.

    Holes that timestamps show are filled with silence, so that what follows stays in time, as players play it.
    Recordings that were joined follow one another, whatever their timestamps. A file whose header lies about its
    length gives what it really holds.

    Args:
        path: the file.
        number: which of its audio streams (`audio_stream`); None for the one that players take.
        report: is filled in on the way.

    Raises:
        MediaError: no such file, no such stream, or nothing of it can be decoded.
    """
    for link, container in enumerate(open_links(path)):
        if link:
            report.restarts.add(report.seconds)
            number = number if number is not None and number < len(container.streams.audio) else None
        stream = audio_stream(container, path, number)
        clock = _Clock(container.format, report)
        channels = channels_of(stream)
        report.free_order |= channels.free_order
        for decoded, following in _with_next(_decoded_frames(container, stream, report)):
            block = _block(decoded.frame, channels.names)
            report.kinds.add((block.rate, len(block.samples)))
            for silence in clock.silence_before(decoded, following, block.rate):
                yield SoundBlock(np.zeros((len(block.samples), silence), np.float32), block.rate, block.names)
            report.seconds += block.samples.shape[1] / block.rate
            yield block
    if not report.kinds and (report.undecodable.count or report.ends_early):
        trouble = report.undecodable.reason or report.ends_early
        raise MediaError(f"{path}: none of its sound can be decoded ({trouble}); is it damaged?")


def first_sound(path: Path, number: int | None) -> float | None:
    """Seconds of the first heard sample on the container's own clock; None where nothing can be decoded."""
    with open_sound(path) as container:
        stream = audio_stream(container, path, number)
        channels_of(stream)
        for decoded in _decoded_frames(container, stream, SoundReport()):
            return decoded.time or 0.0
    return None


def frame_samples(frame: Any) -> np.ndarray:
    """A decoded frame's samples as float32 [C, n], full scale at -1..1 (int16 is divided by exactly 32768).

    Reads the planes one by one: PyAV's own `to_ndarray` reads past the end of planar frames of eight channels and
    more, and knows no 64-bit integers.
    """
    channels = frame.layout.nb_channels
    dtype = np.dtype(_DTYPES[frame.format.name.removesuffix("p")])
    if frame.format.is_planar:
        planes: list[Any] = [AudioPlane(frame, index) for index in range(channels)]
        data = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes])
    else:
        packed: Any = AudioPlane(frame, 0)
        data = np.frombuffer(packed, dtype, frame.samples * channels).reshape(-1, channels).T
    if dtype == np.uint8:
        return (data.astype(np.float32) - 128) / 128
    if dtype.kind == "i":
        return (data / -float(np.iinfo(dtype).min)).astype(np.float32)
    return data.astype(np.float32)


@dataclass(frozen=True)
class _Decoded:
    """A frame, its time on the container's clock, and whether something before it could not be decoded."""

    frame: Any
    time: float | None
    after_damage: bool


class _Clock:
    """Where in time the sound is, by its timestamps and by what has been given."""

    def __init__(self, container_format: Any, report: SoundReport) -> None:
        self._timed = container_format.name not in _UNTIMED
        joinable = bool(int(container_format.flags) & _MAY_JUMP)
        self._longest = LONGEST_HOLE_OF_A_STREAM if joinable else LONGEST_HOLE
        self._report = report
        self._start: float | None = None

    def silence_before(self, decoded: _Decoded, following: _Decoded | None, rate: int) -> Iterator[int]:
        """Lengths in samples of the silence that is due before a frame; the report's time goes on with it."""
        if decoded.time is None or not self._timed:
            return
        report = self._report
        if self._start is None:
            self._start = decoded.time - report.seconds
        ahead = self._ahead(decoded, following)
        if ahead > self._longest or ahead < -_REJOINED_SECONDS:
            report.restarts.add(report.seconds)
            self._start = decoded.time - report.seconds
        elif ahead > SHORTEST_HOLE:
            if not decoded.after_damage:
                report.holes.add(report.seconds, ahead)
            left = round(ahead * rate)
            while left > 0:
                yield min(left, _BLOCK)
                report.seconds += min(left, _BLOCK) / rate
                left -= _BLOCK

    def _ahead(self, decoded: _Decoded, following: _Decoded | None) -> float:
        """Seconds by which timestamps are ahead of the sound. The next frame must agree: Vorbis is off for one."""
        assert self._start is not None and decoded.time is not None
        ahead = decoded.time - self._start - self._report.seconds
        if following is None or following.time is None:
            return ahead
        length = decoded.frame.samples / decoded.frame.sample_rate
        then = following.time - self._start - self._report.seconds - length
        if ahead * then <= 0:
            return 0.0
        return min(ahead, then) if ahead > 0 else max(ahead, then)


def _decoded_frames(container: Any, stream: Any, report: SoundReport) -> Iterator[_Decoded]:
    damaged = False
    last_seconds = 0.0  # of the frame given last: it is not in the report yet
    for packet in _packets(container, stream, report):
        try:
            frames = [frame for frame in packet.decode() if frame.samples and frame.sample_rate]
        except (FFmpegError, ValueError) as error:
            report.undecodable.add(report.seconds + last_seconds, reason=reason(error))
            damaged = True
            continue
        for frame in frames:
            last_seconds = frame.samples / frame.sample_rate
            yield _Decoded(frame, frame.time, damaged)
            damaged = False


def _packets(container: Any, stream: Any, report: SoundReport) -> Iterator[Any]:
    """Packets up to the first one that cannot be read, as ffmpeg takes them."""
    before: int | None = None
    step = 0 if stream.codec_context.name in _SAME_TIMES else 1
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (FFmpegError, OSError) as error:
            report.ends_early = reason(error)
            return
        if packet.size:
            if packet.pts is None or (before is not None and packet.pts < before + step):
                report.ordered = False
            before = packet.pts
        yield packet


def _block(frame: Any, own_names: tuple[str, ...]) -> SoundBlock:
    names = _names_in(frame.layout.name)
    if names[:1] == ("NONE",) and len(own_names) == len(names):
        names = own_names
    return SoundBlock(frame_samples(frame), frame.sample_rate, names)


@lru_cache(maxsize=64)
def _names_in(layout: str) -> tuple[str, ...]:
    return tuple(channel.name for channel in av.AudioLayout(layout).channels)


def _with_next(items: Iterable[_Item]) -> Iterator[tuple[_Item, _Item | None]]:
    """Each item with the one after it."""
    before: list[_Item] = []
    for item in items:
        if before:
            yield before.pop(), item
        before.append(item)
    for item in before:
        yield item, None
