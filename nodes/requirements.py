"""The ComfyUI that the pack needs."""

from __future__ import annotations

import re

OLDEST = (0, 33)
LACKING = "older ones lack parts of the V3 node API, and adapters that run beside quantised weights"


def require_comfyui() -> None:
    """Raise ImportError, in one line, where ComfyUI is too old. Outside of ComfyUI there is nothing to require."""
    try:
        from comfyui_version import __version__
    except ImportError:
        return
    if version_numbers(__version__) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise ImportError(
            f"X-Dub needs ComfyUI {wanted} or newer, and this is {__version__} ({LACKING}): update ComfyUI"
        )


def version_numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "0.33.1rc2" is (0, 33, 1)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()
