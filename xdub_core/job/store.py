"""Named arrays by key in a folder, each file there whole or not at all, and its contents checked when it is read.

What is kept of a dub is a help, never a need: what cannot be written is not kept, with one warning, and what cannot be
read is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from xdub_core.files import write_whole

SUFFIX = ".safetensors"
RESERVE_BYTES = 256 * 2**20
"""What a store leaves free on its disk: for the output, which matters more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What is kept under a key: arrays by name, and texts that tell the rest."""

    arrays: Mapping[str, np.ndarray]
    told: Mapping[str, str] = field(default_factory=dict)


class Store:
    """Keeps arrays under a kind (the name of a folder in `folder`) and a key (see `job.keys`).

    Several processes may keep the same at the same time. Nothing is made before something is kept.

    Attributes:
        folder: where it is.
        writable: whether it still keeps; it ends, with one warning, where the disk refuses, or has less than
            `RESERVE_BYTES` free, or the limit is reached.
        loaded, saved: how many times something was found, and kept.

    Args:
        folder: made with the first thing that is kept.
        limit: bytes that the folder may take. What was not used for the longest time goes first, and nothing that this
            run has used.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        self.writable = True
        self.loaded = self.saved = 0
        self._limit = limit
        self._used: set[Path] = set()
        self._bytes = sum(size for _, size in _files(folder)) if limit is not None else 0

    def path(self, kind: str, key: str) -> Path:
        """Where something is kept, whether it is there or not."""
        return self.folder / kind / f"{key}{SUFFIX}"

    def load(self, kind: str, key: str) -> Kept | None:
        """What is kept under a key; None where nothing is, or where it is damaged, which is told."""
        path = self.path(kind, key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s): it is made again", path, error.strerror or error)
            return None
        try:
            kept = _unpacked(data)
        except Exception:  # whatever a reader says of bytes that are not what they should be
            _log.warning("%s is damaged: it is made again", path)
            return None
        self.loaded += 1
        self._used.add(path)
        with contextlib.suppress(OSError):
            os.utime(path)
        return kept

    def expect(self, kind: str, size: int) -> None:
        """Warn where no room is for so many bytes of a kind, of which some may be kept already."""
        there = sum(each for path, each in _files(self.folder) if path.parent.name == kind)
        if self._limit is not None and size > self._limit:
            self._warn_of_room(size, f"its limit of {self._limit / 1e9:.3g} GB is")
        elif (free := _free(self.folder)) is not None and free < size - there + RESERVE_BYTES:
            self._warn_of_room(size, f"the {free / 1e9:.3g} GB that are left on its disk are")

    def save(
        self, kind: str, key: str, arrays: Mapping[str, np.ndarray], told: Mapping[str, str] | None = None
    ) -> None:
        """Keep arrays, and texts that belong to them. Where that cannot be, it is told once, and nothing is raised."""
        if not self.writable:
            return
        path, data = self.path(kind, key), _packed(arrays, told or {})
        if reason := self._no_room(len(data)):
            self._end(reason)
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda file: file.write_bytes(data), rivals=True)
        except OSError as error:
            self._end((error.strerror or str(error)).lower())
            return
        self.saved += 1
        self._bytes += len(data)
        self._used.add(path)

    def _no_room(self, size: int) -> str:
        """Why there is no room for so many bytes; empty where there is. Makes room within the limit."""
        if self._limit is not None and self._bytes + size > self._limit:
            self._drop_unused(self._bytes + size - self._limit)
            if self._bytes + size > self._limit:
                return f"its limit of {self._limit / 1e9:.3g} GB is reached"
        free = _free(self.folder)
        full = free is not None and free < size + RESERVE_BYTES
        return f"{(free or 0) / 1e6:.0f} MB are left on its disk" if full else ""

    def _warn_of_room(self, size: int, room: str) -> None:
        _log.warning(
            "%s: the clips will take %.3g GB, and %s less: what does not fit is made again if the dub is interrupted",
            self.folder,
            size / 1e9,
            room,
        )

    def _drop_unused(self, size: int) -> None:
        """Remove what this run has not used, what was used last a long time ago first, until so many bytes are free."""
        unused = [(path, each) for path, each in _files(self.folder) if path not in self._used]
        for path, each in sorted(unused, key=lambda file: _changed(file[0])):
            if size <= 0:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                self._bytes -= each
                size -= each

    def _end(self, reason: str) -> None:
        self.writable = False
        _log.warning(
            "%s keeps no more (%s): the dub goes on, but what follows is made again if it is interrupted",
            self.folder,
            reason,
        )


def _files(folder: Path) -> list[tuple[Path, int]]:
    """What a store's folder keeps, with sizes in bytes."""
    found: list[tuple[Path, int]] = []
    for path in folder.glob(f"*/*{SUFFIX}"):
        with contextlib.suppress(OSError):
            found.append((path, path.stat().st_size))
    return found


def _free(folder: Path) -> int | None:
    """Bytes that are free on a folder's disk; None where the system does not tell."""
    try:
        return shutil.disk_usage(_existing(folder)).free
    except OSError:
        return None


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next((each for each in (folder, *folder.parents) if each.is_dir()), folder)


def _packed(arrays: Mapping[str, np.ndarray], told: Mapping[str, str]) -> bytes:
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(whole, {"told": json.dumps(dict(told)), "digest": _digest(whole, told)})


def _unpacked(data: bytes) -> Kept:
    """Raises where a file is not what `_packed` made."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    arrays, told = load(data), json.loads(metadata["told"])
    if _digest(arrays, told) != metadata["digest"]:
        raise ValueError("other contents than were written")
    return Kept(arrays, told)


def _digest(arrays: Mapping[str, np.ndarray], told: Mapping[str, str]) -> str:
    hashed = hashlib.sha256(json.dumps(dict(told), sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        hashed.update(f"{name} {array.dtype} {array.shape}".encode(errors="surrogateescape"))
        hashed.update(array.tobytes())
    return hashed.hexdigest()


def remove_partial(folder: Path) -> None:
    """Remove what killed writers left half-written in a store's folder. Nobody else may be writing there."""
    for path in folder.glob(f"*/.*{SUFFIX}.*.partial"):
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108 (as fast as it gets: there may be thousands)
