"""Many recordings as AUDIO, decoded one at a time, when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .media.sound import check_sound, read_sound


class LastRecording:
    """Room for one decoded recording: the one that was asked for last."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._audio: dict[str, Any] = {}

    def read(self, path: Path) -> dict[str, Any]:
        """A recording as AUDIO. Raises MediaError as `read_sound`."""
        if self._path != path:
            self._path, self._audio = None, {}  # room for the next one
            self._path, self._audio = path, read_sound(path)
        return self._audio


class LazyAudio(Mapping[str, Any]):
    """A recording's AUDIO, read from its file when a node looks into it."""

    def __init__(self, path: Path, shelf: LastRecording) -> None:
        self._path = path
        self._shelf = shelf

    def __getitem__(self, key: str) -> Any:
        return self._shelf.read(self._path)[key]

    def __contains__(self, key: object) -> bool:
        return key in ("waveform", "sample_rate")

    def __iter__(self) -> Iterator[str]:
        return iter(("waveform", "sample_rate"))

    def __len__(self) -> int:
        return 2

    def copy(self) -> dict[str, Any]:
        """As of a dict, which nodes expect an AUDIO to be."""
        return dict(self)


def recordings(paths: Sequence[Path]) -> list[LazyAudio]:
    """AUDIOs of recordings, of which no more than one is in memory at a time, for nodes that take one at a time.

    Raises MediaError now for files that no sound can be read from.
    """
    for path in paths:
        check_sound(path)
    shelf = LastRecording()
    return [LazyAudio(path, shelf) for path in paths]
