"""Live events: what a node tells the browser while it works, in the one place that sends such things."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

EVERY_SECONDS = 0.25
"""Changes are sent no more often than this, so that many quick steps do not slow the browser down."""

Record = dict[str, Any]
"""Plain JSON; its keys are texts."""


class Listener(NamedTuple):
    """The browser that queued the prompt, and the node that is executing for it.

    `node`: its execution id, "1:2:3" through subgraphs; `run`: which of several executions for a list, from 0.
    """

    server: Any
    client: str
    prompt: str
    node: str
    run: int

    @property
    def socket(self) -> object:
        """The browser's connection; another one after it has reloaded or lost the connection; None: there is none."""
        return self.server.sockets.get(self.client)

    def send(self, event: str, content: Mapping[str, Any]) -> None:
        """Send something of this node."""
        about = {"node": self.node, "prompt": self.prompt, "run": self.run}
        self.server.send_sync(event, {**about, **content}, self.client)


def current_listener() -> Listener | None:
    """Who listens to the node that is executing; None where there is no server, or nobody waits for this prompt."""
    from comfy_execution.utils import get_executing_context
    from server import PromptServer  # what else imports it needs the whole server

    server, context = getattr(PromptServer, "instance", None), get_executing_context()
    if server is None or context is None or server.client_id is None:
        return None
    return Listener(
        server, server.client_id, context.prompt_id, str(context.node_id), context.list_index or 0
    )


def send_event(event: str, content: Mapping[str, Any]) -> None:
    """Send something of the node that is executing, once: plain JSON, to which `node`, `prompt` and `run` are added."""
    if (listener := current_listener()) is not None:
        listener.send(event, content)


class LiveRecord:
    """A record that grows while a node works: the browser is told its changes, and `whole` is what they make together.

    Each event has `change`, which the browser merges (`merged`) into what it has, or `whole`, which replaces it: at
    first, and where the browser has reloaded in between. Changes wait for `every` seconds after the last event, and for
    the next call then; `flush` sends what waits.
    """

    def __init__(
        self,
        event: str,
        listener: Listener | None,
        every: float = EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.whole: Record = {}
        self._event, self._listener, self._every, self._clock = event, listener, every, clock
        self._waiting: Record = {}
        self._sent = float("-inf")
        self._socket: object = None

    def change(self, change: Record, *, at_once: bool = False) -> None:
        """Merge a change into the record, and send it, now or with the next ones."""
        merge(self.whole, change)
        if self._listener is None:
            return
        merge(self._waiting, change)
        if at_once or self._clock() - self._sent >= self._every:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._listener is None or not self._waiting:
            return
        known, self._socket = self._socket, self._listener.socket
        if self._socket is not None:
            content = "change" if known is self._socket else "whole"
            self._listener.send(
                self._event, {content: self._waiting if content == "change" else copied(self.whole)}
            )
        self._waiting, self._sent = {}, self._clock()


def merge(record: Record, change: Mapping[str, Any]) -> None:
    """Put a change into a record: what is an object in both is merged, everything else replaced."""
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(record.get(name), dict):
            merge(record[name], value)
        else:
            record[name] = copied(value)


def copied(value: Any) -> Any:
    """The same JSON, whose objects nobody else changes; it is read by another thread when it is sent."""
    return {name: copied(each) for name, each in value.items()} if isinstance(value, dict) else value
