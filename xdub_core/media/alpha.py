"""Whether a video's transparency says anything: many files carry an alpha channel that is opaque throughout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import av

from xdub_core.media.containers import FFmpegError
from xdub_core.media.pixel_layout import format_has_alpha

ALPHA_IS_DROPPED = "its transparency (alpha channel) is dropped"

_OPAQUE = 254  # of 255: encoders round
_BLOCK_ADDITION_HEADER = 8  # bytes of BlockAddID before the alpha channel's own VP8 or VP9 packet


def has_alpha_channel(frame: Any) -> bool:
    """Whether a decoded picture's format has an alpha channel."""
    return format_has_alpha(frame.format.name)


def shows_through(frame: Any) -> bool:
    """Whether a decoded picture is transparent anywhere."""
    if not has_alpha_channel(frame):
        return False
    return bool(frame.reformat(format="rgba").to_ndarray()[..., 3].min() < _OPAQUE)


def side_alpha_shows_through(stream: Any, packets: Iterable[Any]) -> bool:
    """Whether VP8 or VP9 packets of a WebM carry an alpha channel beside the picture that is transparent anywhere.

    FFmpeg's own decoders drop it. PyAV before 15 does not show it: there the file's word (`alpha_mode`) counts.
    """
    if stream.codec_context.name not in ("vp8", "vp9", "libvpx", "libvpx-vp9"):
        return False
    stated = stream.metadata.get("alpha_mode") == "1"
    additions = [bytes(side) for packet in packets for side in _additions(packet)]
    if not additions:
        return stated and not hasattr(av.Packet, "iter_sidedata")
    decoder: Any = av.CodecContext.create("vp8" if "8" in stream.codec_context.name else "vp9", "r")
    try:
        for addition in additions:
            for frame in decoder.decode(av.Packet(addition[_BLOCK_ADDITION_HEADER:])):
                if frame.reformat(format="gray8").to_ndarray().min() < _OPAQUE:
                    return True
    except FFmpegError:
        return stated
    return False


def _additions(packet: Any) -> list[Any]:
    if not hasattr(packet, "iter_sidedata"):
        return []
    return [
        side for side in packet.iter_sidedata() if side.data_type.replace("_", "").startswith("matroskablock")
    ]
