"""X-Dub for ComfyUI: the pack's entry point."""

from typing import Any

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> Any:
    """The pack as ComfyUI takes it; importing this file alone loads nothing."""
    from .nodes.extension import XDubExtension

    return XDubExtension()
