"""Finds the index of a video's frames by reading its packets, or where they cannot be relied on by decoding them.

PyAV has no index. torchcodec has, but needs an FFmpeg installed beside it, and takes timestamps as they are; those of
many videos are missing, repeated, or start anew in the middle.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.errors import MediaError
from xdub_core.media.container.opening import FFmpegError, open_input, reason
from xdub_core.media.container.video_streams import Head
from xdub_core.media.video.damage import Damage, decodable_frames, use_threads
from xdub_core.media.video.frame_index import FrameIndex

log = logging.getLogger(__name__)

_REORDER_SECONDS = 2.0  # further back than any B-frame: the clock was reset
_DECODING_STEP_BACK = 0.25  # seconds; decoding times only wander a little where FFmpeg guesses them
_GAP_SECONDS = 3600.0  # a longer gap is a broken timestamp
_NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS: of bare streams; what they have is FFmpeg's guess


@dataclass
class _Times:
    """Of packets in the file's order, or of frames in the order shown: what the container says of their times."""

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    duration: list[int] = field(default_factory=list)
    keyframe: list[bool] = field(default_factory=list)

    def add(self, item: Any, keyframe: bool) -> None:
        self.pts.append(item.pts)
        self.dts.append(item.dts)
        self.duration.append(getattr(item, "duration", 0) or 0)
        self.keyframe.append(bool(keyframe))

    def drop_last(self) -> None:
        for column in (self.pts, self.dts, self.duration, self.keyframe):
            column.pop()

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(frozen=True)
class _StreamFacts:
    """What a container says of a stream.

    `dts_clock`: AVI files hold no more than the packets' order on a clock, that of decoding. `bare`: no clock at all.
    `joinable`: may begin anywhere, where the decoder refuses what lacks its headers.
    """

    time_base: Fraction
    rate: Fraction
    stated_frames: int
    codec: str
    dts_clock: bool
    bare: bool
    joinable: bool

    @property
    def frame_seconds(self) -> float:
        return float(1 / self.rate)

    @classmethod
    def of(cls, container: Any, stream: Any) -> _StreamFacts:
        # Of a bare stream FFmpeg's average is a default; the guess comes from the stream's own header.
        rate = stream.guessed_rate or stream.average_rate or stream.base_rate or Fraction(25)
        bare = bool(container.format.flags & _NO_TIMESTAMPS)
        return cls(
            time_base=stream.time_base or Fraction(1, 1000),
            rate=rate,
            stated_frames=stream.frames,
            codec=stream.codec_context.name,
            dts_clock=container.format.name == "avi",
            bare=bare,
            joinable=bare or container.format.name in ("mpegts", "mpeg"),
        )


def index_frames(path: Path, stream_number: int, head: Head, damage: Damage) -> FrameIndex:
    """Index a video by its packets, which is cheap.

    Args:
        stream_number: the stream's place among all of the file's.
        head: the stream's beginning. What a decoder gave of it must be the first frames of the index, but for a
            damaged start. Where they are not, or where packets lack timestamps, all frames are decoded once to
            count them, which is slow but true.
        damage: learns of what the counting finds.

    Frames that an edit list hides, hidden reference frames (VP8), packets before the first keyframe, and a last
    packet that the file cuts short do not count.
    """
    with open_input(path) as container:
        stream = container.streams[stream_number]
        facts = _StreamFacts.of(container, stream)
        packets = _read_packets(container, stream, facts, () if facts.joinable else head.refused, path)
    index = _from_packets(packets, facts, head)
    if index is None or not _agrees(index, head.frames):
        log.info("%s: timestamps of packets cannot be relied on: counting frames by decoding them all", path)
        index = _from_decoding(path, stream_number, packets, facts, damage)
    if facts.stated_frames and facts.stated_frames != len(index):
        log.info(
            "%s: the header promises %d frames, the file holds %d", path, facts.stated_frames, len(index)
        )
    return index


def _read_packets(
    container: Any, stream: Any, facts: _StreamFacts, refused: Sequence[int], path: Path
) -> _Times:
    packets = _Times()
    started = False
    last_is_cut = False
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            # A damaged keyframe is called none, but the decoder refuses it.
            started = started or packet.is_keyframe or packet.pts in refused
            if not started or packet.is_discard or _is_hidden(packet, facts.codec):
                continue
            last_is_cut = packet.is_corrupt
            packets.add(packet, packet.is_keyframe)
    except (FFmpegError, OSError) as error:
        log.warning("%s: the file ends early, after %d frames (%s)", path, len(packets), reason(error))
    if last_is_cut and len(packets) > 1:
        log.info("%s: the last frame is cut short by the end of the file and left out", path)
        packets.drop_last()
    return packets


def _is_hidden(packet: Any, codec: str) -> bool:
    # A VP8 frame header says in bit 4 whether the frame is shown (RFC 6386, section 9.1).
    return codec in ("vp8", "libvpx") and not bytes(packet)[0] & 0x10


def _from_packets(packets: _Times, facts: _StreamFacts, head: Head) -> FrameIndex | None:
    first_pts = head.frames[0].pts
    if not len(packets) or first_pts is None or None in packets.pts:
        return None
    pts = np.array(packets.pts, dtype=np.int64)
    if not _is_sound(pts, packets.dts, facts.time_base):
        return None
    order = np.argsort(pts, kind="stable")
    # What is shown before the first keyframe needs pictures that are not in the file (an open group cut off), unless
    # it decodes; what is damaged keeps its time.
    order = order[pts[order] >= min(pts[0], first_pts)]
    if not len(order):
        return None
    keyframes = np.flatnonzero(np.array(packets.keyframe)[order])
    if facts.bare and len(keyframes) == len(order):
        keyframes = keyframes[:1]  # H.261's and H.263's parsers call every packet a keyframe
    durations = np.array(packets.duration, dtype=np.int64)[order]
    ticks = pts[order]
    if facts.dts_clock:
        ticks = _decoding_clock(packets, len(ticks), head.frames[0].dts)
    return _build(pts[order], ticks, durations, keyframes, facts)


def _is_sound(pts: np.ndarray, dts: Sequence[int | None], time_base: Fraction) -> bool:
    """Whether timestamps are unique, never jump back further than B-frames do, nor forward by hours."""
    second = float(time_base)
    resets = np.any(pts < np.maximum.accumulate(pts) - _REORDER_SECONDS / second)
    known = np.array([stamp for stamp in dts if stamp is not None], dtype=np.int64)
    resets = resets or np.any(np.diff(known) * second < -_DECODING_STEP_BACK)
    gaps = np.diff(np.sort(pts))
    return not resets and not (len(gaps) and (gaps.min() == 0 or gaps.max() * second > _GAP_SECONDS))


def _decoding_clock(packets: _Times, frames: int, first_dts: int | None) -> np.ndarray:
    """Timestamps [frames] of frames that come out of the decoder in step with the packets, as many packets later as
    the first one did. Packets of no size, which AVI has for repeated frames, hold their place on the clock."""
    known = np.array(sorted({stamp for stamp in packets.dts if stamp is not None}), dtype=np.int64)
    delay = 0 if first_dts is None else int(np.searchsorted(known, first_dts))
    ticks = known[delay : delay + frames]
    step = max(1, round(float(np.median(np.diff(known))))) if len(known) > 1 else 1
    last = int(ticks[-1]) if len(ticks) else -step
    return np.concatenate([ticks, last + step * np.arange(1, frames - len(ticks) + 1)])


def _build(
    pts: np.ndarray | None,
    ticks: np.ndarray,
    durations: np.ndarray,
    keyframes: np.ndarray,
    facts: _StreamFacts,
) -> FrameIndex:
    """The index of frames that appear at `ticks` of the time base; without a clock they stay for their durations."""
    time_base = float(facts.time_base)
    stamps = ticks[:1] if pts is None else pts[keyframes]
    if facts.bare:
        stay = np.where(durations > 0, durations * time_base, facts.frame_seconds)
        seconds = np.concatenate([[0.0], np.cumsum(stay[:-1])])
        return FrameIndex(pts, seconds, keyframes, stamps, facts.time_base, float(stay[-1]), 0.0, facts.rate)
    seconds = (ticks - ticks[0]) * time_base
    typical = float(np.median(np.diff(seconds))) if len(seconds) > 1 else facts.frame_seconds
    duration = typical if facts.dts_clock else float(durations[-1]) * time_base or typical
    start = float(ticks[0] * time_base)
    return FrameIndex(pts, seconds, keyframes, stamps, facts.time_base, duration, start, facts.rate)


def _agrees(index: FrameIndex, decoded: Sequence[Any]) -> bool:
    stamps = [frame.pts for frame in decoded]
    if index.pts is None or stamps[0] not in index.pts:
        return False
    first = int(np.searchsorted(index.pts, stamps[0]))
    known = index.pts[first : first + len(stamps)].tolist()
    return bool(known == stamps[: len(known)])


def _from_decoding(
    path: Path, stream_number: int, packets: _Times, facts: _StreamFacts, damage: Damage
) -> FrameIndex:
    frames = _decode_all(path, stream_number, damage)
    if not len(frames):
        raise MediaError(f"{path}: no frame of this video can be decoded; the file is damaged")
    durations = np.array(frames.duration, dtype=np.int64)
    start = np.zeros(1, np.int64)
    if facts.dts_clock and _is_sound(_sorted_known(packets.dts), (), facts.time_base):
        ticks = _decoding_clock(packets, len(frames), frames.dts[0])
        index = _build(None, ticks, durations, start, facts)
        return _with_keyframes(index, np.flatnonzero(frames.keyframe), packets)
    stamps = None if None in frames.pts else np.array(frames.pts, dtype=np.int64)
    if stamps is None or _starts_again(stamps, float(facts.time_base)):
        index = _build(None, start, durations, start, replace(facts, bare=True))
        return replace(index, start=float((frames.pts[0] or 0) * facts.time_base))
    if np.all(np.diff(stamps) > 0):
        return _build(stamps, stamps, durations, np.flatnonzero(frames.keyframe), facts)
    return _build(None, np.maximum.accumulate(stamps), durations, start, facts)


def _starts_again(stamps: np.ndarray, second: float) -> bool:
    """Whether timestamps of frames in the order shown jump back, or forward by hours."""
    steps = np.diff(stamps) * second
    return bool(len(steps)) and bool(steps.min() < -_DECODING_STEP_BACK or steps.max() > _GAP_SECONDS)


def _with_keyframes(index: FrameIndex, keyframes: np.ndarray, packets: _Times) -> FrameIndex:
    """The index with the keyframes that came out of the decoder, if the file has as many packets of them."""
    stamps = [dts for dts, key in zip(packets.dts, packets.keyframe, strict=True) if key and dts is not None]
    if len(stamps) != len(keyframes):
        return index
    return replace(index, keyframes=keyframes, stamps=np.array(stamps, dtype=np.int64))


def _sorted_known(stamps: Iterable[int | None]) -> np.ndarray:
    return np.array(sorted(stamp for stamp in stamps if stamp is not None), dtype=np.int64)


def _decode_all(path: Path, stream_number: int, damage: Damage) -> _Times:
    """The times of all frames as the decoder gives them."""
    while True:
        frames = _Times()
        many = not damage.found
        with open_input(path) as container:
            stream = container.streams[stream_number]
            use_threads(stream, many)
            for frame in decodable_frames(container, stream, lambda error: damage.add_error(reason(error))):
                frames.add(frame, frame.key_frame)
        if not (many and damage.found):
            return frames
