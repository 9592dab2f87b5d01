"""Keys of what is kept: hashes of everything that it was made from, as declared.

A key is made from inputs (files, settings, versions), never from computed numbers: a GPU's differ in their last bits
from run to run, and all that follows would be made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

WHOLE_BYTES = 256 * 2**20
"""Files up to this size are hashed whole."""
_SAMPLES, _SAMPLE_BYTES = 64, 64 * 2**10
_KEY_BYTES = 16


def key_of(*declared: Any) -> str:
    """The key of what is made from these: 32 hexadecimal digits.

    Takes numbers, texts, None, arrays, enumerations, dataclasses and mappings, lists and tuples of those. A field that
    a dataclass got later states in its metadata, as "key_default", the value at which keys are as they were before.
    Raises TypeError for anything else: an object that has no contents would make another key in every run.
    """
    told = json.dumps([_plain(value) for value in declared], separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[: 2 * _KEY_BYTES]


def file_fingerprint(path: Path) -> str:
    """A hash of a file's contents.

    Up to 256 MB all of them. Of a larger file 64 pieces of 64 kB spread evenly over it, the first and the last bytes
    among them, with its size and its time of change: what alters it elsewhere alters that time. Raises OSError.
    """
    size, hashed = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            while block := file.read(2**20):
                hashed.update(block)
        else:
            hashed.update(f"{size} {path.stat().st_mtime_ns}".encode())
            for place in np.linspace(0, size - _SAMPLE_BYTES, _SAMPLES, dtype=np.int64):
                file.seek(int(place))
                hashed.update(file.read(_SAMPLE_BYTES))
    return hashed.hexdigest()[: 2 * _KEY_BYTES]


def fingerprint(paths: Iterable[Path]) -> dict[str, str]:
    """The hash of each file by its name: of the files themselves, and of all those in folders. Raises OSError."""
    found: dict[str, str] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            found |= {file.relative_to(path).as_posix(): file_fingerprint(file) for file in files}
        else:
            found[path.name] = file_fingerprint(path)
    return found


def _is_as_before(field: Field[Any], value: Any) -> bool:
    return "key_default" in field.metadata and bool(field.metadata["key_default"] == value)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return ["array", str(value.dtype), list(value.shape), content]
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        as_before = {field.name for field in fields(value) if _is_as_before(field, named[field.name])}
        told = {name: _plain(each) for name, each in named.items() if name not in as_before}
        return [type(value).__name__, told]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no contents that could be part of a key")
