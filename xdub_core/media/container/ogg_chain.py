"""Ogg files that were joined: a chain of links, each a file of its own, with clock, codec and channels of its own.

FFmpeg reads a chain as one stream, and stops where a link has other channels, another rate or another codec than the
first. So each link is opened by itself. (RFC 3533, section 4: a link begins with pages that are marked so.)
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from xdub_core.media.container.opening import open_input

_CAPTURE = b"OggS"
_HEADER = 27  # bytes of a page before its table of segments
_BEGINS = 2  # the flag of a page that begins a stream
_SEARCHED = 1 << 16


def open_links(path: Path) -> Generator[Any, None, None]:
    """Open a media file: its links one after the other where it is a chain of Ogg files, else itself.

    Each is closed when the next is asked for. MediaError as `open_input`.
    """
    starts = _link_starts(path)
    if len(starts) < 2:
        with open_input(path) as container:
            yield container
        return
    for start, stop in zip(starts, [*starts[1:], path.stat().st_size], strict=True):
        with path.open("rb") as file, open_input(path, _Part(file, start, stop)) as container:
            yield container


def _link_starts(path: Path) -> list[int]:
    """Where the links of an Ogg file begin, in bytes; nothing for other files."""
    try:
        if not path.is_file():
            return []
        with path.open("rb") as file:
            if file.read(len(_CAPTURE)) != _CAPTURE:
                return []
            return list(_starts(file))
    except (OSError, ValueError):
        return []  # opening it will say what is wrong


def _starts(file: IO[bytes]) -> Iterator[int]:
    at, beginning = 0, False
    while True:
        file.seek(at)
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return
        if not header.startswith(_CAPTURE):
            at = _next_page(file, at + 1)
            continue
        if header[5] & _BEGINS and not beginning:
            yield at
        beginning = bool(header[5] & _BEGINS)
        at += _HEADER + header[26] + sum(file.read(header[26]))


def _next_page(file: IO[bytes], at: int) -> int:
    """Where the next page begins after damage; the file's end where there is none."""
    while True:
        file.seek(at)
        block = file.read(_SEARCHED)
        found = block.find(_CAPTURE)
        if found >= 0:
            return at + found
        if len(block) < _SEARCHED:
            return at + len(block)
        at += _SEARCHED - len(_CAPTURE) + 1


@contextmanager
def open_sound(path: Path) -> Iterator[Any]:
    """Open a media file, or of a chain of Ogg files the first. MediaError as `open_input`."""
    links = open_links(path)
    try:
        yield next(links)
    finally:
        links.close()


class _Part(io.RawIOBase):
    """Bytes [start, stop) of an open file, as a file."""

    def __init__(self, file: IO[bytes], start: int, stop: int) -> None:
        super().__init__()
        self._file, self._start, self._size = file, start, stop - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data
