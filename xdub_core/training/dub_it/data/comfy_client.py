"""A ComfyUI that runs, by its HTTP API: what nodes it has, files to and from it, prompts run to their end.

A prompt's id is made of its key. So a run that was killed while the server worked finds its prompt there again, running
or done, and nothing is made twice.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from xdub_core.errors import JobError, SettingsError

Graph = Mapping[str, Mapping[str, Any]]
"""A prompt as the API takes it: nodes {"class_type", "inputs"} by their ids."""

_IDS = uuid.UUID("7c1d8a52-0f0b-4c43-9a3d-6f5b7f1f2a10")
_POLL = 0.05, 2.0
"""Seconds between two looks at a prompt that runs: at first, and later."""
TOO_LARGE = 413
PATIENCE = 5
"""Looks in a row without an answer until a server that works is taken to be away."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that a node has saved, as ComfyUI names it."""

    filename: str
    subfolder: str = ""
    type: str = "output"


class LostFileError(JobError):
    """The server has a prompt's outputs in its history, and not their files any more."""


class AwayError(JobError):
    """Nobody answers."""


class ComfyClient:
    """A server at `address`, such as 127.0.0.1:8188. `timeout`: seconds that it may take to answer a question."""

    def __init__(self, address: str, timeout: float = 60.0) -> None:
        self.address = address.removeprefix("http://").rstrip("/")
        self.timeout = timeout
        if not self.address or "://" in self.address:
            raise SettingsError(f"{address!r} is no address of a ComfyUI: give one such as 127.0.0.1:8188")

    def check_nodes(self, needed: Collection[str]) -> None:
        """Raise JobError where the server lacks a node."""
        known = self._json("/object_info")
        if missing := sorted(set(needed) - set(known)):
            ours = [name for name in missing if name.startswith("XDub")]
            told = (
                "install this pack in it" if ours == missing else "update it, or install the pack that has it"
            )
            raise JobError(f"the ComfyUI at {self.address} has no node {', '.join(missing)}: {told}")

    def upload(self, name: str, content: bytes) -> str:
        """Put a file into the server's input folder, over one of that name; returns what a loader calls it."""
        subfolder, _, filename = name.rpartition("/")
        fields = {"type": "input", "subfolder": subfolder, "overwrite": "true"}
        edge = uuid.uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        head = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{filename}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content]
        body = b"".join([*parts, f"\r\n--{edge}--\r\n".encode()])
        request = Request(self._url("/upload/image"), body)
        request.add_header("Content-Type", f"multipart/form-data; boundary={edge}")
        try:
            answer = json.loads(self._read(request))
        except HTTPError as error:
            told = "start it with a larger --max-upload-size" if error.code == TOO_LARGE else str(error)
            raise JobError(f"the ComfyUI at {self.address} refuses the file {name}: {told}") from None
        return "/".join(filter(None, (answer["subfolder"], answer["name"])))

    def download(self, file: RemoteFile) -> bytes:
        """A file that was saved. Raises LostFileError where it is gone."""
        try:
            return self._read(Request(self._url("/view?" + urlencode(vars(file)))))
        except HTTPError as error:
            raise LostFileError(
                f"the ComfyUI at {self.address} has {file.filename} no more ({error.code}): run this again"
            ) from None

    def run(self, graph: Graph, key: str, waiting: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """The outputs of a prompt by the ids of its nodes, run now, or found where it was run before under that key.

        `waiting` is called at every look at it. Raises JobError where the server refuses it, fails at it or goes away.
        """
        attempt = 0
        while True:
            prompt_id = prompt_id_of(key, attempt)
            queued, known = (
                self._is_queued(prompt_id),
                self._history(prompt_id),
            )  # in this order: it goes on there
            if known is None and not queued:
                self._submit(graph, prompt_id)
            elif known is not None and not _succeeded(known):
                attempt += 1  # it failed before: another one, which may do better
                continue
            return self._finished(prompt_id, waiting)

    def fetched(
        self, graph: Graph, key: str, nodes: Collection[str], waiting: Callable[[], object] = lambda: None
    ) -> dict[str, bytes]:
        """What some nodes of a prompt have saved, one file each, by their ids. Raises JobError as `run` does."""
        try:
            outputs = self.run(graph, key, waiting)
            return {node: self.download(self.files(outputs, node)[0]) for node in nodes}
        except LostFileError:  # somebody has tidied up: made once more
            outputs = self.run(graph, f"{key} again", waiting)
            return {node: self.download(self.files(outputs, node)[0]) for node in nodes}

    def files(self, outputs: Mapping[str, Any], node: str) -> list[RemoteFile]:
        """The files that a node of a prompt has saved. Raises JobError where there are none."""
        shown = outputs.get(node, {})
        found = [each for key in sorted(shown) for each in shown[key] if isinstance(each, Mapping)]
        files = [
            RemoteFile(each["filename"], each.get("subfolder", ""), each.get("type", "output"))
            for each in found
            if "filename" in each
        ]
        if not files:
            raise JobError(f"node {node} of the prompt saved no file: look at the log of the ComfyUI")
        return files

    def _submit(self, graph: Graph, prompt_id: str) -> None:
        body = json.dumps({"prompt": graph, "prompt_id": prompt_id}).encode()
        request = Request(self._url("/prompt"), body, {"Content-Type": "application/json"})
        try:
            self._read(request)
        except HTTPError as error:
            raise JobError(f"the ComfyUI at {self.address} refuses the prompt: {_refusal(error)}") from None

    def _finished(self, prompt_id: str, waiting: Callable[[], object]) -> dict[str, Any]:
        pause, silent, known = _POLL[0], 0, None
        while known is None:
            waiting()
            try:
                queued = self._is_queued(prompt_id)
                known, silent = self._history(prompt_id), 0
            except AwayError:  # busy, as long as it is not for long
                silent += 1
                if silent > PATIENCE:
                    raise
                queued = True
            if known is None and not queued:
                raise JobError(
                    f"the ComfyUI at {self.address} forgot the prompt, as one that was restarted does: run this again"
                )
            if known is None:
                time.sleep(pause)
                pause = min(_POLL[1], 1.3 * pause)
        if not _succeeded(known):
            raise JobError(f"the ComfyUI at {self.address} failed at the prompt: {_failure(known)}")
        return dict(known["outputs"])

    def _history(self, prompt_id: str) -> dict[str, Any] | None:
        known = self._json(f"/history/{quote(prompt_id)}").get(prompt_id)
        return known if known and known.get("status") else None

    def _is_queued(self, prompt_id: str) -> bool:
        queue = self._json("/queue")
        return any(each[1] == prompt_id for kind in queue.values() for each in kind)

    def _json(self, path: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self._read(Request(self._url(path)))))
        except (HTTPError, ValueError):
            raise JobError(f"what answers at {self.address} is no ComfyUI: give the address of one") from None

    def _url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    def _read(self, request: Request) -> bytes:
        """Raises JobError where nobody answers, and HTTPError for the caller to tell."""
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                return bytes(answer.read())
        except HTTPError:
            raise
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise AwayError(
                f"no ComfyUI answers at {self.address} ({str(reason).lower()}): start it, or give its address; "
                "what is made already stays"
            ) from None


def prompt_id_of(key: str, attempt: int = 0) -> str:
    """The id of a prompt; `attempt`: how often it has failed before."""
    return str(uuid.uuid5(_IDS, f"{key} {attempt}"))


def _succeeded(known: Mapping[str, Any]) -> bool:
    return bool(known["status"].get("status_str") == "success")


def _failure(known: Mapping[str, Any]) -> str:
    """What a prompt failed by, in one line."""
    for kind, told in known["status"].get("messages", []):
        if kind == "execution_error":
            return _line(f"{told.get('node_type')}: {told.get('exception_message', '')}")
        if kind == "execution_interrupted":
            return "it was cancelled"
    return "it does not say why"


def _refusal(error: HTTPError) -> str:
    """Why a prompt was refused, in one line."""
    try:
        told = json.loads(error.read())
    except ValueError:
        return str(error)
    nodes = told.get("node_errors") or {}
    for each in nodes.values() if isinstance(nodes, Mapping) else ():
        for problem in each.get("errors", []):
            return _line(f"{each.get('class_type')}: {problem.get('message')}: {problem.get('details')}")
    problem = told.get("error", {})
    return _line(str(problem.get("message", problem) if isinstance(problem, Mapping) else problem))


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
