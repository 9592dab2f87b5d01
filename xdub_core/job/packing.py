"""Frozen dataclasses as arrays and a text, and back, by the types of their fields: how results are kept."""

from __future__ import annotations

import contextlib
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from xdub_core.job.store import Kept, Store

Result = TypeVar("Result")
_TREE = "tree"


def remembered(
    store: Store | None, kind: str, key: str, result: type[Result], make: Callable[[], Result]
) -> Result:
    """A result that is kept under a key, or else made now and kept. `result`: its dataclass, see `pack`."""
    found = None if store is None else store.load(kind, key)
    if found is not None:
        with contextlib.suppress(LookupError, TypeError, ValueError):  # as another version keeps it
            return unpack(result, found)
    made = make()
    if store is not None:
        kept = pack(made)
        store.save(kind, key, kept.arrays, kept.told)
    return made


def pack(value: Any) -> Kept:
    """A dataclass of arrays, numbers, texts, None, enumerations, tuples, lists, mappings and such dataclasses."""
    arrays: dict[str, np.ndarray] = {}
    return Kept(arrays, {_TREE: json.dumps(_packed(value, arrays))})


def unpack(result: type[Result], kept: Kept) -> Result:
    """What `pack` took, of the dataclass `result`."""
    return _unpacked(result, json.loads(kept.told[_TREE]), kept.arrays)


def _packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return name
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        return {field.name: _packed(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _packed(each, arrays) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_packed(each, arrays) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _unpacked(kind: Any, told: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if told is None:
            return None
        (kind,) = (part for part in parts if part is not type(None))
        return _unpacked(kind, told, arrays)
    if origin in (tuple, list):
        kinds = [parts[0]] * len(told) if origin is list or Ellipsis in parts else parts
        return origin(_unpacked(part, each, arrays) for part, each in zip(kinds, told, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {name: _unpacked(parts[1], each, arrays) for name, each in told.items()}
    if kind is np.ndarray or origin is np.ndarray:
        return arrays[told]
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(  # type: ignore[operator]
            **{field.name: _unpacked(hints[field.name], told[field.name], arrays) for field in fields(kind)}
        )
    return kind(told) if isinstance(kind, type) and issubclass(kind, Enum) else told
