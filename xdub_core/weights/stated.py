"""What a file of ours states about itself as JSON, read strictly into a frozen dataclass.

The file may be another program's, a later version's, or damaged. Whatever it states, what comes of it is a dataclass
whose values all have their types and are of a size that can be worked with, or a CheckpointError of one line. The
command line and ComfyUI read their files through here alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from xdub_core.errors import CheckpointError, XDubError
from xdub_core.weights.kinds import some

LARGEST = 2**16
"""The largest whole number that a file may state: wider than any layer of a network that this pack knows."""
_LONGEST = 64
"""The most numbers that a file may state as one list."""
_ADVICE = "it is damaged, or of another version of this pack; get it again"

Stated = TypeVar("Stated")


def stated_object(text: str, what: str) -> dict[str, Any]:
    """The JSON object in `text`. Raises CheckpointError, beginning with `what`, where it holds anything else."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or ["too deep"])[0]
        raise CheckpointError(f"{what} is no JSON ({reason}): {_ADVICE}") from None
    return as_object(values, what)


def as_object(values: object, what: str) -> dict[str, Any]:
    """`values`, where they are a JSON object. Raises CheckpointError where they are not."""
    if not isinstance(values, dict):
        raise CheckpointError(f"{what} is {_told(values)}, and no JSON object: {_ADVICE}")
    return values


def stated(kind: type[Stated], values: object, what: str, optional: Collection[str] = ()) -> Stated:
    """The dataclass `kind` of what a file states.

    `values`: a JSON object with exactly the dataclass's fields, of their types; those in `optional` may be missing,
    and take their defaults. `what`: names it in the message, as in "MODEL.safetensors: its config".

    Raises CheckpointError for anything else, for whole numbers outside of 1 to LARGEST, and for what the dataclass
    itself refuses.
    """
    given = as_object(values, what)
    types = get_type_hints(kind)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := [name for name in given if name not in known]:
        raise CheckpointError(
            f"{what} states {some(f'{name!r:.40}' for name in unknown)}, unknown here: {_ADVICE}"
        )
    if missing := sorted(known - given.keys() - set(optional)):
        raise CheckpointError(f"{what} does not state {some(missing)}: {_ADVICE}")
    read = {name: _read(value, types[name], f"{what} states {name}") for name, value in given.items()}
    try:
        return kind(**read)
    except XDubError as error:
        raise CheckpointError(f"{what} states {error}") from None


def _read(value: Any, kind: Any, what: str) -> Any:
    """`value` as a `kind`: int, float, bool, str, or a tuple of one of these."""
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        count = None if inner[-1] is Ellipsis else len(inner)
        if not isinstance(value, (list, tuple)) or len(value) > _LONGEST or count not in (None, len(value)):
            raise CheckpointError(
                f"{what} as {_told(value)}, not as a list of {count or 'numbers'}: {_ADVICE}"
            )
        return tuple(_read(item, inner[0], what) for item in value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and _finite(value):
        return float(value)
    right = kind is not float and type(value) is kind
    if not right or (kind is int and not 1 <= value <= LARGEST):
        raise CheckpointError(f"{what} as {_told(value)}, not as {_WORDS[kind]}: {_ADVICE}")
    return value


_WORDS = {
    int: f"a whole number from 1 to {LARGEST}",
    float: "a finite number",
    bool: "true or false",
    str: "text",
}


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _told(value: object) -> str:
    """A value as JSON writes it, and of a long one the start."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
