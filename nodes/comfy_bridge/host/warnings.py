"""What a node tells the artist: warnings in ComfyUI's log, and texts on the node itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from comfy_execution.utils import get_executing_context

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
"""How often the line of what a node does now changes at most."""


def warn(message: str) -> None:
    """Say something, in one line, that does not stop the work."""
    logger.warning("X-Dub: %s", message)
    show_text(message)


def show_text(text: str) -> None:
    """Show a text on the node, in its place in the canvas, for as long as its result stands there."""
    TEXT.tell(text)


def show_now(text: str) -> None:
    """Show what the node does now, under what `show_text` has shown; an empty text takes that line away."""
    TEXT.now(text)


class NodeText:
    """The text on the node that executes: lines that stay, and one of what it does now. A new execution begins anew.

    `send`: shows a whole text on a node, by its execution id.
    """

    def __init__(self, send: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send, self._clock = send, clock
        self._of: tuple[str, str] | None = None
        self._lines: list[str] = []
        self._shown, self._changed = "", float("-inf")

    def tell(self, text: str) -> None:
        """Add lines that stay."""
        if self._begin() and text not in self._lines:
            self._lines.append(text)
            self._show("")

    def now(self, text: str) -> None:
        """Change the line of what is done now, unless it changed just before; taking it away is always done."""
        if self._begin() and (not text or self._clock() - self._changed >= EVERY_SECONDS):
            self._show(text)

    def _begin(self) -> bool:
        """Whether a node executes."""
        context = get_executing_context()
        of = None if context is None else (context.prompt_id, str(context.node_id))
        if of != self._of:
            self._of, self._lines, self._shown, self._changed = of, [], "", float("-inf")
        return of is not None

    def _show(self, now: str) -> None:
        assert self._of is not None
        text = "\n".join([*self._lines, now] if now else self._lines)
        if text != self._shown:
            self._send(text, self._of[1])
            self._shown, self._changed = text, self._clock()


def _send(text: str, node: str) -> None:
    from server import PromptServer  # what else imports it needs the whole server

    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.send_progress_text(text, node)


TEXT = NodeText(_send)
"""There is one for the process, as there is one node that executes."""
