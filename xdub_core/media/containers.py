"""Opening files with PyAV, with errors that speak to the artist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

from xdub_core.errors import MediaError
from xdub_core.media.input_file import OPEN_OPTIONS, check_input_path, is_list

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
    return bool(int(getattr(stream, "disposition", 0) or 0) & _DEFAULT)


def audio_stream(container: Any, path: Path, number: int | None = None) -> Any:
    """An audio stream that can be decoded.

    Args:
        container: the open file.
        path: its path, for messages.
        number: which of its audio streams, from 0; None for the one that players take (`best_audio`).

    Raises:
        MediaError: there is none, none of that number, or it is in an unknown codec.
    """
    streams = container.streams.audio
    if not streams:
        raise MediaError(f"{path}: no sound in this file; choose one with an audio track")
    if number is not None and not 0 <= number < len(streams):
        there = f"0 to {len(streams) - 1}" if len(streams) > 1 else "only 0"
        raise MediaError(f"{path}: there is no audio stream {number}, {there}: {_listed(streams)}")
    stream = best_audio(container) if number is None else streams[number]
    if stream.codec_context is None:
        raise MediaError(f"{path}: the sound is in a codec that this build of FFmpeg cannot read")
    return stream


def best_audio(container: Any) -> Any:
    """Of several audio streams the one that players take: marked as default, or of the most channels; None for none.

    Where nothing of it can be decoded, `xdub_core.media.sound_place` finds another.
    """
    if not container.streams.audio:
        return None
    return container.streams.best("audio") or container.streams.audio[0]


def _listed(streams: Any) -> str:
    """Audio streams in words, for choosing one."""
    words = []
    for number, stream in enumerate(streams):
        context = stream.codec_context
        facts = ["unknown codec"] if context is None else [context.name, f"{context.sample_rate} Hz"]
        language, title = stream.metadata.get("language", ""), stream.metadata.get("title", "")
        facts += [fact for fact in (language, title) if fact and fact != "und"]
        words.append(f"{number} ({', '.join(facts)})")
    return ", ".join(words)


def is_cover_art(stream: Any) -> bool:
    """Whether a video stream is an attached picture (an album's cover), not a video."""
    disposition = getattr(stream, "disposition", None)
    if disposition is not None:
        return bool(int(disposition) & _ATTACHED_PICTURE)
    # PyAV before 15 does not tell; cover art is a still picture of no duration of its own.
    still = stream.codec_context is not None and stream.codec_context.name in ("mjpeg", "png", "bmp", "gif")
    return still and bool(stream.container.streams.audio) and stream.frames <= 1
