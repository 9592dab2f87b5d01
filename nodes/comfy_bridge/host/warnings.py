"""Warnings for the artist: in ComfyUI's log, and on the node itself."""

from __future__ import annotations

import logging

from comfy_execution.utils import get_executing_context

logger = logging.getLogger(__name__)


def warn(message: str) -> None:
    """Say something, in one line, that does not stop the work."""
    logger.warning("X-Dub: %s", message)
    from server import PromptServer  # what else imports it needs the whole server

    server, node = getattr(PromptServer, "instance", None), get_executing_context()
    if server is not None and node is not None:
        server.send_progress_text(message, node.node_id)
