"""What decodes the packets of a video stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def decoding(stream: Any) -> Callable[[Any], list[Any]]:
    """What decodes a video stream's packets in their order, from a keyframe on.

    For VP8 and VP9 with an alpha channel that is libvpx, where it is built in: FFmpeg's own decoders drop the channel.
    """
    name = _WITH_ALPHA.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return lambda packet: list(packet.decode())
    decoder: Any = av.CodecContext.create(name, "r")
    return lambda packet: list(decoder.decode(packet))
