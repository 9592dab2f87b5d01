"""What a stream is for: to be played by default, or as an attached picture."""

from __future__ import annotations

from typing import Any

_DEFAULT, _ATTACHED_PICTURE = 1 << 0, 1 << 10


def is_default(stream: Any) -> bool:
    """Whether a stream is marked as the one to play."""
    return bool(disposition_of(stream) & _DEFAULT)


def disposition_of(stream: Any) -> int:
    """FFmpeg's flags of what a stream is for: an enumeration that is no number before PyAV 17, none before 15."""
    flags = getattr(stream, "disposition", 0)
    return int(getattr(flags, "value", flags))


def is_cover_art(stream: Any) -> bool:
    """Whether a video stream is an attached picture (an album's cover), not a video."""
    if hasattr(stream, "disposition"):
        return bool(disposition_of(stream) & _ATTACHED_PICTURE)
    # PyAV before 15 does not tell; cover art is a still picture of no duration of its own.
    still = stream.codec_context is not None and stream.codec_context.name in ("mjpeg", "png", "bmp", "gif")
    return still and bool(stream.container.streams.audio) and stream.frames <= 1
