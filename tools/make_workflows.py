"""Write workflows/: the UI format, the API format and a thumbnail of every recipe, by the schemas of a real ComfyUI.

    COMFYUI/.venv/bin/python tools/make_workflows.py COMFYUI

To be run again when a node's inputs change.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

PACK = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write all workflows."""
    comfyui = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(comfyui))
    schemas = load_schemas()
    from workflow_format import api_format, draw_thumbnail, ui_format
    from workflow_recipes import RECIPES

    folder = PACK / "workflows"
    (folder / "api").mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        write(folder / f"{recipe.name}.json", ui_format(recipe, schemas))
        write(folder / "api" / f"{recipe.name}.json", api_format(recipe))
        draw_thumbnail(recipe, schemas, folder / f"{recipe.name}.jpg")


def write(path: Path, workflow: dict[str, Any]) -> None:
    path.write_text(json.dumps(workflow, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_schemas() -> dict[str, dict[str, Any]]:
    """What `/object_info` would say of core's nodes and the pack's."""
    sys.argv = ["main.py"]
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True
    import nodes

    asyncio.run(_load(nodes))
    return {name: schema_of(node) for name, node in nodes.NODE_CLASS_MAPPINGS.items()}


async def _load(nodes: Any) -> None:
    await nodes.init_builtin_extra_nodes()
    if not await nodes.load_custom_node(str(PACK)):
        raise RuntimeError("ComfyUI could not load the pack")


def schema_of(node: Any) -> dict[str, Any]:
    """Inputs and outputs of a class of nodes, old or new."""
    if hasattr(node, "GET_NODE_INFO_V1"):
        return node.GET_NODE_INFO_V1()
    names = getattr(node, "RETURN_NAMES", node.RETURN_TYPES)
    return {"input": node.INPUT_TYPES(), "output": list(node.RETURN_TYPES), "output_name": list(names)}


if __name__ == "__main__":
    main()
