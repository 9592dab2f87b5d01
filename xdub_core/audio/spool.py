"""Float32 rows in an anonymous temporary file: long sounds and features that must not live in RAM.

Plain reads and writes, not a memory map: mapped pages count towards the process's resident memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np

from xdub_core.errors import MediaError


class RowSpool:
    """Rows of `width` float32 values, appended once and read back by index.

    The file has no name that others could see, and the system removes it when it is closed or the process ends.

    Args:
        width: values per row.
        folder: where the file lies; None takes the system's temporary folder (which on some machines is in
            RAM: then name a folder on a disk).

    Raises:
        MediaError: the folder cannot be written to, or is full.
    """

    def __init__(self, width: int, folder: str | Path | None = None) -> None:
        self.width = width
        self.rows = 0
        self._folder = Path(folder or tempfile.gettempdir())
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._cannot_write(error) from error

    def append(self, rows: np.ndarray) -> None:
        """Add float32 rows [n, width] (or [n] where the width is 1) at the end."""
        data = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1).view(np.uint8).data
        try:
            self._file.seek(0, 2)
            written = 0
            while written < len(data):
                written += self._file.write(data[written:]) or 0
        except OSError as error:
            raise self._cannot_write(error) from error
        self.rows += len(data) // (4 * self.width)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows [start, stop) as float32 [n, width]; both must lie within 0..rows."""
        if not 0 <= start <= stop <= self.rows:
            raise IndexError(f"rows {start} to {stop} of a spool of {self.rows}")
        rows = np.empty((stop - start, self.width), dtype=np.float32)
        view = rows.reshape(-1).view(np.uint8).data
        self._file.seek(4 * self.width * start)
        filled = 0
        while filled < len(view):
            count = self._file.readinto(view[filled:])
            if not count:
                raise MediaError(
                    f"The temporary file in {self._folder} was cut short: free the disk and try again."
                )
            filled += count
        return rows

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def __enter__(self) -> RowSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cannot_write(self, error: OSError) -> MediaError:
        return MediaError(
            f"Cannot write to the temporary folder {self._folder} ({error.strerror or error}): "
            "free some space there or name another folder."
        )
