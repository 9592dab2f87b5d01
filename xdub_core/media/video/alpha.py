"""Whether a video's transparency says anything: many files carry an alpha channel that is opaque throughout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import av
import numpy as np

from xdub_core.media.container.opening import FFmpegError
from xdub_core.media.picture.pixel_layout import format_has_alpha
from xdub_core.media.video.decoder import OpenDecoder
from xdub_core.media.video.frame_index import FrameIndex

ALPHA_IS_DROPPED = "its transparency (alpha channel) is dropped"

_SAMPLES = 6  # pictures that are looked at, spread over the video
_OPAQUE = 254  # of 255: encoders round
_BLOCK_ADDITION_HEADER = 8  # bytes of BlockAddID before the alpha channel's own VP8 or VP9 packet


def has_alpha_channel(frame: Any) -> bool:
    """Whether a decoded picture's format has an alpha channel."""
    return format_has_alpha(frame.format.name)


def is_transparent_anywhere(frame: Any) -> bool:
    """Whether a decoded picture is transparent anywhere."""
    if not has_alpha_channel(frame):
        return False
    return bool(frame.reformat(format="rgba").to_ndarray()[..., 3].min() < _OPAQUE)


def is_transparent(head: Sequence[Any], index: FrameIndex, open_decoder: OpenDecoder) -> bool:
    """Whether any of the first frames, or of some that are quickly decoded, is transparent anywhere."""
    if not has_alpha_channel(head[0]):
        return False
    if any(is_transparent_anywhere(frame) for frame in head):
        return True
    places = np.linspace(0, len(index) - 1, _SAMPLES).astype(int)
    decoder = open_decoder()
    try:
        for keyframe in sorted({index.keyframe_before(int(place)) for place in places}):
            decoder.seek(keyframe)
            found = decoder.read()
            if found is not None and is_transparent_anywhere(found[1]):
                return True
    finally:
        decoder.close()
    return False


def side_alpha_is_transparent(stream: Any, packets: Iterable[Any]) -> bool:
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
