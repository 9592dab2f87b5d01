"""Standard output and error that never fail: what the work is worth does not hang on whether its last word is seen."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_STANDARD = (0, 1, 2)


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """While this lasts, printing raises nothing.

    Characters that the console's encoding lacks are shown as escapes. Where nobody reads (a closed pipe, a full disk,
    no console at all), the words are lost and the work goes on.
    """
    _occupy_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_forgiving(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


class _Forgiving:
    """A text stream that takes everything."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """Send what is still buffered, and all that follows, nowhere; Python flushes once more at its end."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _forgiving(stream: Any) -> Any:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return None if stream is None else _Forgiving(stream)


def _occupy_closed_descriptors() -> None:
    """Else the next file that is opened, the output perhaps, would be what C libraries print into."""
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest one that is free
