"""What a node tells the artist: warnings in ComfyUI's log, and texts on the node itself."""

from __future__ import annotations

import logging

from comfy_execution.utils import get_executing_context

logger = logging.getLogger(__name__)


def warn(message: str) -> None:
    """Say something, in one line, that does not stop the work."""
    logger.warning("X-Dub: %s", message)
    show_text(message)


def show_text(text: str) -> None:
    """Show a text on the node, in its place in the canvas."""
    from server import PromptServer  # what else imports it needs the whole server

    server, node = getattr(PromptServer, "instance", None), get_executing_context()
    if server is not None and node is not None:
        server.send_progress_text(text, node.node_id)
