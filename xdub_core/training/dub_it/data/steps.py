"""Steps of long work, each done once: after its files a note is written, and where that is there it is not done again.

A note is written whole or not at all. So the work may be killed anywhere, and goes on at the step that it was in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xdub_core.files import write_text_whole, write_whole

Facts = dict[str, Any]
"""What a step found out, as JSON holds it."""


def done_once(folder: Path, name: str, key: str, make: Callable[[], Mapping[str, Any]]) -> Facts:
    """The facts of a step: of its note where that has the key, or made now. `make` writes the step's files, whole."""
    note = folder / f"{name}.json"
    known = _read(note)
    if known is not None and known.get("key") == key:
        return dict(known["facts"])
    folder.mkdir(parents=True, exist_ok=True)
    facts = dict(make())
    write_text_whole(note, json.dumps({"key": key, "facts": facts}, indent=1, ensure_ascii=False) + "\n")
    return facts


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    write_whole(path, lambda file: file.write_bytes(content))


def _read(note: Path) -> dict[str, Any] | None:
    """A note; None where there is none, or it is damaged: then the step is done again."""
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and isinstance(told.get("facts"), dict) else None
