"""Files between a folder here and a ComfyUI: each goes there once in a run, and what comes back is written whole."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from .comfy_client import ComfyClient, Graph
from .steps import write_bytes_whole

SUBFOLDER = "xdub_dub_it"
"""Of ComfyUI's folders for input and output, where everything of this is."""


class Carrier:
    """Brings files to a server and prompts' results from it; `waiting` is called while it works."""

    def __init__(self, client: ComfyClient, waiting: Callable[[], object] = lambda: None) -> None:
        self.client, self.waiting = client, waiting
        self._there: dict[str, str] = {}

    def upload(self, key: str, name: str, content: Callable[[], bytes]) -> str:
        """Bring a file there, and return what loaders call it. `key`: of its contents; it is made only where it lacks.

        In one run only once: by a file's time the server tells whether it has to be read and encoded again.
        """
        place = f"{prefix(key, name)}"
        if place not in self._there:
            self._there[place] = self.client.upload(place, content())
        return self._there[place]

    def fetched(self, graph: Graph, key: str, nodes: Collection[str]) -> dict[str, bytes]:
        """What those nodes of a prompt save, by their ids."""
        return self.client.fetched(graph, key, nodes, self.waiting)

    def save_video(self, graph: Graph, key: str, path: Path) -> None:
        """Run a prompt whose nodes "video" and "sound" save some, into `path` with .mp4 and .flac."""
        saved = self.fetched(graph, key, ("video", "sound"))
        write_bytes_whole(path.with_suffix(".mp4"), saved["video"])
        write_bytes_whole(path.with_suffix(".flac"), saved["sound"])


def prefix(key: str, name: str) -> str:
    """A file's name on the server, or its beginning."""
    return f"{SUBFOLDER}/{key[:16]}-{name}"
