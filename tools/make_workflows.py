"""Write workflows/ (every recipe's UI and API format) and subgraphs/, by the schemas of a real ComfyUI.

    COMFYUI/.venv/bin/python tools/make_workflows.py COMFYUI
    python tools/make_workflows.py http://127.0.0.1:8188        # of one that runs, which is quicker

To be run again when a node's inputs change.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

PACK = Path(__file__).resolve().parents[1]
LINE = 150


def main() -> None:
    """Write all workflows and blueprints."""
    sys.path.insert(0, str(PACK))
    schemas = load_schemas(sys.argv[1])
    from blueprint_format import blueprint_file
    from blueprint_recipes import BLUEPRINTS
    from dub_it_recipes import DUB_IT
    from workflow_format import api_format, ui_format
    from workflow_recipes import APPS, RECIPES

    folder = PACK / "workflows"
    (folder / "api").mkdir(parents=True, exist_ok=True)
    for recipe in (*RECIPES, *DUB_IT, *APPS):
        write(folder / f"{recipe.name}.json", ui_format(recipe, schemas))
        write(folder / "api" / f"{recipe.name}.json", api_format(recipe))
    (PACK / "subgraphs").mkdir(exist_ok=True)
    for blueprint in BLUEPRINTS:
        write(PACK / "subgraphs" / f"{blueprint.name}.json", blueprint_file(blueprint, schemas))


def write(path: Path, workflow: dict[str, Any]) -> None:
    path.write_text(readable(workflow) + "\n", encoding="utf-8")


def readable(value: Any, depth: int = 0, before: int = 0) -> str:
    """JSON for people: what fits a line stands on one. `before`: characters that stand before it in its line."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, list | dict) or depth + before + len(short) < LINE:
        return short
    if isinstance(value, dict):
        named = ((f"{json.dumps(name)}: ", each) for name, each in value.items())
        parts = [name + readable(each, depth + 1, len(name)) for name, each in named]
    else:
        parts = [readable(each, depth + 1) for each in value]
    inside = f",\n{' ' * (depth + 1)}".join(parts)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{' ' * (depth + 1)}{inside}\n{' ' * depth}{closing}"


def load_schemas(comfyui: str) -> dict[str, dict[str, Any]]:
    """What `/object_info` says of core's nodes and the pack's, of a ComfyUI that runs or lies there."""
    if comfyui.startswith("http"):
        with urllib.request.urlopen(f"{comfyui}/object_info") as answer:
            return json.load(answer)
    sys.path.insert(0, str(Path(comfyui).resolve()))
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
