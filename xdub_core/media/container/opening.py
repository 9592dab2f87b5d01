"""Opening files with PyAV, with errors that speak to the artist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av

from xdub_core.errors import MediaError
from xdub_core.media.container.input_rules import OPEN_OPTIONS, check_input_path, has_lost_its_index, is_list

# The class of all FFmpeg errors; some of them are not OSErrors.
FFmpegError = av.error.FFmpegError


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


def open_input(path: Path, part: Any = None, options: Mapping[str, str] | None = None) -> Any:
    """Open a file for reading; nothing but this file is opened, whatever it is or says (see `input_file`).

    Args:
        path: the file.
        part: a file-like object to read instead: a part of the same file.
        options: more of the demuxer's; those that it does not know are passed over.

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
        return av.open(
            part or file_url(path),
            container_options={**OPEN_OPTIONS, **(options or {})},
            metadata_errors="replace",
        )
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
