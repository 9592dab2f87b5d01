"""One process at a time in a job's folder: the system's lock on a file, which a killed process cannot keep."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import IO

_LOCKED_BYTE = 1 << 20
"""Windows keeps others from reading what is locked: a byte after all that is written."""


class FileLock:
    """A lock on a file, held from `acquire` to `release`, or as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Whether it is ours now: no other process has it. The file then tells whose it is.

        On a file system without locks it is nobody's, and this is True. Raises OSError where no file can be made.
        """
        file = self.path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except BlockingIOError:
            file.close()
            return False
        except OSError:
            pass  # no locks here
        with contextlib.suppress(OSError):  # a full disk
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
        self._file = file
        return True

    def holder(self) -> str:
        """Who has it, in words."""
        try:
            return self.path.read_text(encoding="utf-8") or "another process"
        except (OSError, ValueError):
            return "another process"

    def release(self) -> None:
        """Let it go; the file stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_locked(path: Path) -> bool:
    """Whether a process that lives holds the lock on a file."""
    try:
        with path.open("a+", encoding="utf-8") as file:
            _lock(file)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        """Raises BlockingIOError where another process holds it."""
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
        file.seek(0)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        """Raises BlockingIOError where another process holds it."""
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
