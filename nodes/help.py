"""An error of a node says where its help page is; the command line's errors stay as they are."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from comfy_api.latest import io

WHERE = "(Help: Node Info, above the node.)"
"""The front end shows errors as plain text, and a node's page from the button "Node Info" over a selected node."""


def with_help(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node itself, which adds `WHERE` to what its checks find wrong, and to what an XDubError of its work says."""
    _help_errors(node)
    if "validate_inputs" in vars(node):
        _help_checks(node)
    return node


def _help_errors(node: type[io.ComfyNode]) -> None:
    execute = node.execute.__func__

    @functools.wraps(execute)
    def told(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        try:
            return execute(cls, *args, **inputs)
        except Exception as error:
            from xdub_core.errors import XDubError

            if isinstance(error, XDubError) and not str(error).endswith(WHERE):
                error.args = (_helped(str(error)),)
            raise

    node.execute = classmethod(told)


def _help_checks(node: type[io.ComfyNode]) -> None:
    check = node.validate_inputs.__func__

    @functools.wraps(check)
    def told(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> bool | str:
        found = check(cls, *args, **inputs)
        return _helped(found) if isinstance(found, str) else found

    # Core hands over the inputs that it finds in the signature, and looks no further than the outermost function.
    told.__signature__ = inspect.signature(check)  # type: ignore[attr-defined]
    node.validate_inputs = classmethod(told)


def _helped(told: str) -> str:
    return told if told.endswith(WHERE) else f"{told} {WHERE}"
