"""The index of a video's frames, in the order in which they are shown, found by reading all its packets."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.containers import FFmpegError, open_input, reason, video_stream

log = logging.getLogger(__name__)

_REORDER_SECONDS = 2.0  # further back than any B-frame: the clock was reset
_GAP_SECONDS = 3600.0  # a longer gap is a broken timestamp


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Frames in presentation order.

    Attributes:
        pts: int64 timestamps in units of `time_base`, strictly ascending; None where the file has no usable ones
            (frames are then known by their number from the start, and shown at a constant rate).
        seconds: float64 times of appearance, the first frame at 0.
        keyframes: int64 ascending numbers of the frames from which decoding can start.
        last_duration: seconds for which the last frame stays.
        start: seconds of the first frame on the container's own clock.
    """

    pts: np.ndarray | None
    seconds: np.ndarray
    keyframes: np.ndarray
    time_base: Fraction
    last_duration: float
    start: float

    def __len__(self) -> int:
        return len(self.seconds)

    def number(self, pts: int | None) -> int | None:
        """The frame shown at `pts`; a timestamp that a decoder moved a little counts for the nearest frame."""
        if self.pts is None or pts is None:
            return None
        after = int(np.searchsorted(self.pts, pts))
        nearest = min(max(after - 1, 0), len(self) - 1)
        if after < len(self) and self.pts[after] - pts <= pts - self.pts[nearest]:
            nearest = after
        typical = (self.pts[-1] - self.pts[0]) / max(1, len(self) - 1)
        return nearest if abs(int(self.pts[nearest]) - pts) <= typical / 4 else None

    def keyframe_before(self, frame: int) -> int:
        """The number of the last keyframe at or before a frame (0 where none is known)."""
        at = int(np.searchsorted(self.keyframes, frame, side="right")) - 1
        return int(self.keyframes[at]) if at >= 0 else 0


@dataclass
class _Packets:
    pts: list[int | None] = field(default_factory=list)
    keyframe: list[bool] = field(default_factory=list)
    duration: list[int] = field(default_factory=list)

    def drop_last(self) -> None:
        for column in (self.pts, self.keyframe, self.duration):
            column.pop()


def index_frames(path: Path, decoded: list[int | None]) -> FrameIndex:
    """Index a video by its packets, which is cheap.

    Args:
        decoded: the timestamps of the first frames that a decoder gave: they must be the first ones of the index.
            Where they are not, or where packets lack timestamps, all frames are decoded once to count them, which
            is slow but true.

    Frames that an edit list hides, hidden reference frames (VP8), packets before the first keyframe, and a last
    packet that the file cuts short do not count.
    """
    with open_input(path) as container:
        stream = video_stream(container, path)
        packets = _read_packets(container, stream, path)
        facts = _StreamFacts.of(stream)
    index = _from_packets(packets, facts, decoded[0])
    if index is None or not _agrees(index, decoded):
        log.info("%s: timestamps of packets cannot be relied on: counting frames by decoding them all", path)
        index = _from_decoding(path, facts)
    if facts.stated_frames and facts.stated_frames != len(index):
        log.info(
            "%s: the header promises %d frames, the file holds %d", path, facts.stated_frames, len(index)
        )
    return index


@dataclass(frozen=True)
class _StreamFacts:
    time_base: Fraction
    frame_seconds: float
    stated_frames: int

    @classmethod
    def of(cls, stream: Any) -> _StreamFacts:
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
        return cls(stream.time_base or Fraction(1, 1000), float(1 / rate), stream.frames)


def _read_packets(container: Any, stream: Any, path: Path) -> _Packets:
    packets = _Packets()
    started = False
    last_is_cut = False
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            started = started or packet.is_keyframe
            if not started or packet.is_discard or _is_hidden(packet, stream):
                continue
            last_is_cut = packet.is_corrupt
            packets.pts.append(packet.pts)
            packets.keyframe.append(packet.is_keyframe)
            packets.duration.append(packet.duration or 0)
    except (FFmpegError, OSError) as error:
        log.warning("%s: the file ends early, after %d frames (%s)", path, len(packets.pts), reason(error))
    if last_is_cut and len(packets.pts) > 1:
        log.info("%s: the last frame is cut short by the end of the file and left out", path)
        packets.drop_last()
    return packets


def _is_hidden(packet: Any, stream: Any) -> bool:
    # A VP8 frame header says in bit 4 whether the frame is shown (RFC 6386, section 9.1).
    return stream.codec_context.name in ("vp8", "libvpx") and not bytes(packet)[0] & 0x10


def _from_packets(packets: _Packets, facts: _StreamFacts, first_pts: int | None) -> FrameIndex | None:
    if not packets.pts or first_pts is None or any(pts is None for pts in packets.pts):
        return None
    pts = np.array(packets.pts, dtype=np.int64)
    if not _is_sound(pts, float(facts.time_base)):
        return None
    order = np.argsort(pts, kind="stable")
    # What precedes the first frame that decodes needs pictures that are not in the file (an open group cut off).
    order = order[pts[order] >= first_pts]
    if not len(order):
        return None
    keyframes = np.flatnonzero(np.array(packets.keyframe)[order])
    return _build(pts[order], keyframes, packets.duration[order[-1]], facts)


def _is_sound(pts: np.ndarray, time_base: float) -> bool:
    """Whether timestamps are unique, never jump back further than B-frames do, nor forward by hours."""
    resets = np.any(pts < np.maximum.accumulate(pts) - _REORDER_SECONDS / time_base)
    gaps = np.diff(np.sort(pts))
    return not resets and not (len(gaps) and (gaps.min() == 0 or gaps.max() * time_base > _GAP_SECONDS))


def _build(pts: np.ndarray, keyframes: np.ndarray, last_duration: int, facts: _StreamFacts) -> FrameIndex:
    time_base = float(facts.time_base)
    seconds = (pts - pts[0]) * time_base
    typical = float(np.median(np.diff(seconds))) if len(seconds) > 1 else facts.frame_seconds
    duration = last_duration * time_base or typical
    return FrameIndex(pts, seconds, keyframes, facts.time_base, duration, float(pts[0] * time_base))


def _agrees(index: FrameIndex, decoded: list[int | None]) -> bool:
    known = index.pts[: len(decoded)].tolist() if index.pts is not None else []
    return known == decoded[: len(known)]


def _from_decoding(path: Path, facts: _StreamFacts) -> FrameIndex:
    timestamps: list[int | None] = []
    keyframes: list[int] = []
    with open_input(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if frame.key_frame:
                    keyframes.append(len(timestamps))
                timestamps.append(frame.pts)
        except FFmpegError as error:
            log.warning("%s: decoding stops after %d frames (%s)", path, len(timestamps), reason(error))
    if not timestamps:
        raise MediaError(f"{path}: no frame of this video can be decoded; the file is damaged")
    usable = None not in timestamps and _is_sound(np.array(timestamps), float(facts.time_base))
    if usable and np.all(np.diff(np.array(timestamps)) > 0):
        return _build(np.array(timestamps, dtype=np.int64), np.array(keyframes, dtype=np.int64), 0, facts)
    seconds = np.arange(len(timestamps)) * facts.frame_seconds
    start = float((timestamps[0] or 0) * facts.time_base)
    return FrameIndex(None, seconds, np.zeros(1, np.int64), facts.time_base, facts.frame_seconds, start)
