"""X-Dub for ComfyUI: the pack's entry point."""

from typing import Any

from .nodes.requirements import require_comfyui

require_comfyui()

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> Any:
    """The pack as ComfyUI takes it. Importing this file alone loads next to nothing."""
    from .nodes.extension import XDubExtension

    return XDubExtension()
