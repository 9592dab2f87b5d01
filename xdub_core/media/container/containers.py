"""Opening files with PyAV, with errors that speak to the artist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

from xdub_core.errors import MediaError
from xdub_core.media.container.input_file import OPEN_OPTIONS, check_input_path, has_lost_its_index, is_list

# The class of all FFmpeg errors; some of them are not OSErrors.
FFmpegError = av.error.FFmpegError
_DEFAULT, _ATTACHED_PICTURE = 1 << 0, 1 << 10


def reason(error: BaseException) -> str:
    """FFmpeg's or the system's own words for an error, without numbers and file names."""
    return str(getattr(error, "strerror", None) or error).strip() or type(error).__name__


def file_url(path: Path) -> str:
    """A path as FFmpeg's name of a file, so that "a:b.mp4" is not taken for a protocol."""
    return f"file:{path}"


def is_there(path: Path) -> bool:
    """Whether there is a file or folder. MediaError where the path can be none: too long, or in a closed folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: this path cannot be used ({reason(error)}); choose another") from error
    return True


def open_input(path: Path, part: Any = None) -> Any:
    """Open a file for reading; nothing but this file is opened, whatever it is or says (see `input_file`).

    Args:
        path: the file.
        part: a file-like object to read instead: a part of the same file.

    Raises:
        MediaError: it is missing, a folder, an address, a pipe, unreadable, a list of other files, or no video or
            audio file.
    """
    check_input_path(path)
    if not is_there(path):
        raise MediaError(f"{path}: there is no such file")
    if path.is_dir():
        raise MediaError(f"{path}: this is a folder, not a video or audio file")
    try:
        return av.open(part or file_url(path), container_options=OPEN_OPTIONS, metadata_errors="replace")
    except PermissionError as error:
        raise MediaError(f"{path}: not allowed to read this file") from error
    except (FFmpegError, OSError, ValueError) as error:
        if is_list(path):
            raise MediaError(
                f"{path}: this is a list of other files, which are not opened; give the video or recording itself"
            ) from error
        if has_lost_its_index(path):
            raise MediaError(
                f"{path}: the recording or download of this file broke off before its index was written; get it "
                "again, or repair it with a tool such as untrunc"
            ) from error
        raise MediaError(f"{path}: not a readable video or audio file ({reason(error)})") from error


def video_streams(container: Any, path: Path) -> list[Any]:
    """The streams with moving pictures, in the file's order, without cover art. MediaError where there is none."""
    streams = [stream for stream in container.streams.video if not is_cover_art(stream)]
    if not streams:
        what = "only audio" if container.streams.audio else "nothing that can be shown"
        raise MediaError(f"{path}: no video in this file, {what}")
    return streams


def by_preference(container: Any, streams: list[Any]) -> list[Any]:
    """Video streams as players choose: FFmpeg's choice, then those marked as default, then the larger pictures."""
    best = container.streams.best("video")
    return sorted(streams, key=lambda stream: (stream is not best, not is_default(stream), -_area(stream)))


def _area(stream: Any) -> int:
    return (
        0 if stream.codec_context is None else int(stream.codec_context.width * stream.codec_context.height)
    )


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
