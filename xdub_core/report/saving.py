"""A report's files, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import MediaError
from ..media.container.opening import reason
from ..media.output.output_file import HiddenFile


def save_report(path: Path, pieces: Iterable[str], overwrite: bool) -> None:
    """Write a page or a record, UTF-8, at `path`. Raises MediaError where it cannot be written, or is there already."""
    file = HiddenFile(path, overwrite)
    try:
        with file.path.open("w", encoding="utf-8", newline="\n") as content:
            content.writelines(pieces)
    except BaseException as error:
        file.discard()
        if isinstance(error, OSError):
            raise MediaError(f"{path}: the report cannot be written ({reason(error)})") from error
        raise
    file.keep()
