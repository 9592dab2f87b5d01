"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, save: Callable[[Path], object], *, rivals: bool = False) -> None:
    """Let `save` write a file beside `path`, which then takes its place.

    Whatever happens, `path` is the old file or a whole new one, to be read by whom the user's other files are, whatever
    `save` makes of that. With `rivals`, other processes may write the same file at the same time, and the last one
    wins; without, what a killed writer left is overwritten by the next. Raises what `save` raises, and OSError where
    the disk is full.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial" if rivals else f".{path.name}.partial")
    try:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        save(unfinished)
        unfinished.chmod(mode)  # safetensors' are for their owner alone
        with unfinished.open("r+b") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all; see `write_whole`."""
    write_whole(path, lambda file: file.write_text(text, encoding="utf-8"))
