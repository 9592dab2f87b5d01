"""An error of a node says where its help page is; the command line's errors stay as they are."""

from __future__ import annotations

import functools
from typing import Any

from comfy_api.latest import io

WHERE = "(Help: Node Info, above the node.)"
"""The front end shows errors as plain text, and a node's page from the button "Node Info" over a selected node."""


def with_help(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node itself, whose `execute` adds `WHERE` to what an XDubError says."""
    execute = node.execute.__func__

    @functools.wraps(execute)
    def told(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        try:
            return execute(cls, *args, **inputs)
        except Exception as error:
            from xdub_core.errors import XDubError

            if isinstance(error, XDubError) and not str(error).endswith(WHERE):
                error.args = (f"{error} {WHERE}",)
            raise

    node.execute = classmethod(told)
    return node
