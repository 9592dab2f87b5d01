"""The pack's nodes, in the order of the work, and what it registers with ComfyUI when it is loaded."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

NODES: list[type[io.ComfyNode]] = []


class XDubExtension(ComfyExtension):
    """What ComfyUI loads."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
