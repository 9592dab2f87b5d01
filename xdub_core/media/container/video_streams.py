"""Which of a file's video streams is read: the one that players show, or the one that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from xdub_core.errors import MediaError
from xdub_core.media.container.dispositions import is_cover_art, is_default
from xdub_core.media.container.opening import FFmpegError, reason

log = logging.getLogger(__name__)

_HEAD_FRAMES = 5
_HEAD_PACKETS = 500
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class Head:
    """A video stream's beginning.

    Attributes:
        packets: the first ones.
        frames: the first ones that could be decoded, never none.
        refused: timestamps of the packets before them that the decoder refused.
    """

    stream: Any
    packets: list[Any]
    frames: list[Any]
    refused: list[int]


def first_frames(container: Any, path: Path, wanted: int | None) -> Head:
    """Choose a stream and decode its first frames, which tell what headers do not: rotation, format, decodability.

    Args:
        wanted: which of the video streams, from 0 on, cover art not counted; None: the one that players show, and
            where that cannot be decoded the best that can, with a warning.

    Raises:
        MediaError: there is no video or no such stream; or it cannot be decoded.
    """
    streams = video_streams(container, path)
    if wanted is None:
        candidates = _by_preference(container, streams)
    elif 0 <= wanted < len(streams):
        candidates = [streams[wanted]]
    else:
        listed = ", ".join(f"{number} ({_describe(stream)})" for number, stream in enumerate(streams))
        raise MediaError(f"{path}: there is no video stream {wanted} in it; it holds {listed}")
    troubles: list[str] = []
    for stream in candidates:
        if troubles:
            _rewind(container)
        found = _decode_head(container, stream)
        if isinstance(found, Head):
            if troubles:
                log.warning(
                    "%s: video stream %d, which players show, cannot be decoded (%s); stream %d (%s) is taken",
                    path,
                    streams.index(candidates[0]),
                    troubles[0],
                    streams.index(stream),
                    _describe(stream),
                )
            return found
        troubles.append(found)
    if candidates[0].codec_context is None:
        raise MediaError(f"{path}: the video is in a codec that this build of FFmpeg cannot read")
    raise MediaError(
        f"{path}: no frame of this video can be decoded ({troubles[0]}); the file is empty or damaged"
    )


def packet_decoder(stream: Any) -> Callable[[Any], list[Any]]:
    """What decodes a video stream's packets in their order, from a keyframe on.

    For VP8 and VP9 with an alpha channel that is libvpx, where it is built in: FFmpeg's own decoders drop the channel.
    """
    name = _WITH_ALPHA.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return lambda packet: list(packet.decode())
    decoder: Any = av.CodecContext.create(name, "r")
    return lambda packet: list(decoder.decode(packet))


def video_streams(container: Any, path: Path) -> list[Any]:
    """The streams with moving pictures, in the file's order, without cover art. MediaError where there is none."""
    streams = [stream for stream in container.streams.video if not is_cover_art(stream)]
    if not streams:
        what = "only audio" if container.streams.audio else "nothing that can be shown"
        raise MediaError(f"{path}: no video in this file, {what}")
    return streams


def _by_preference(container: Any, streams: list[Any]) -> list[Any]:
    """Video streams as players choose: FFmpeg's choice, then those marked as default, then the larger pictures."""
    best = container.streams.best("video")
    return sorted(streams, key=lambda stream: (stream is not best, not is_default(stream), -_area(stream)))


def _area(stream: Any) -> int:
    return (
        0 if stream.codec_context is None else int(stream.codec_context.width * stream.codec_context.height)
    )


def _rewind(container: Any) -> None:
    try:
        container.seek(0)
    except (FFmpegError, OSError) as error:
        log.debug("seeking to the start failed (%s)", reason(error))


def _describe(stream: Any) -> str:
    context = stream.codec_context
    words = "unknown codec" if context is None else f"{context.name}, {context.width}x{context.height}"
    return f"{words}, default" if is_default(stream) else words


def _decode_head(container: Any, stream: Any) -> Head | str:
    """The stream's head, or why it has none."""
    if stream.codec_context is None:
        return "unknown codec"
    head = Head(stream, [], [], [])
    trouble, decode = "it holds no frames", packet_decoder(stream)
    try:
        for number, packet in enumerate(container.demux(stream)):
            try:
                head.frames.extend(decode(packet))
            except FFmpegError as error:
                trouble = reason(error)
                if not head.frames and packet.pts is not None:
                    head.refused.append(packet.pts)
            if packet.size and len(head.packets) < _HEAD_FRAMES:
                head.packets.append(packet)
            if len(head.frames) >= _HEAD_FRAMES or (number >= _HEAD_PACKETS and not head.frames):
                break
    except (FFmpegError, OSError) as error:
        trouble = reason(error)
    return Head(stream, head.packets, head.frames[:_HEAD_FRAMES], head.refused) if head.frames else trouble
