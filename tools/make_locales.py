"""Write locales/: what the front end says of the nodes, in English from their schemas and in Chinese from a table.

    COMFYUI/.venv/bin/python tools/make_locales.py COMFYUI

To be run again when a node's words change. The table is `chinese.json` beside this file: English text to Chinese one.
Where one English text needs two Chinese ones, a key such as "XDubDub.inputs.video.name" goes before the text. What the
table lacks is printed (and shown in English meanwhile), and so is what nothing needs any more; the exit code is then 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACK = Path(__file__).resolve().parents[1]
LOCALES, TABLE = PACK / "locales", PACK / "tools" / "chinese.json"
PREFIX = "XDub"


def main() -> int:
    """Write both languages; 1 where the table and the schemas do not fit."""
    from make_workflows import load_schemas, write

    words = english(load_schemas(sys.argv[1]))
    chinese, missing, stale = translated(words, json.loads(TABLE.read_text(encoding="utf-8")))
    for language, nodes in (("en", words), ("zh", chinese)):
        (LOCALES / language).mkdir(parents=True, exist_ok=True)
        write(LOCALES / language / "nodeDefs.json", nodes)
    for what, keys in (("not in", missing), ("only in", stale)):
        for key in keys:
            print(f"{what} {TABLE.name}: {json.dumps(key, ensure_ascii=False)}")  # noqa: T201
    return 1 if missing or stale else 0


def english(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What `nodeDefs.json` says of the pack's nodes, by their schemas as `/object_info` has them."""
    return {name: _node(schema) for name, schema in sorted(schemas.items()) if name.startswith(PREFIX)}


def _node(schema: dict[str, Any]) -> dict[str, Any]:
    outputs = zip(schema["output_name"], schema["output_tooltips"], strict=True)
    return {
        "display_name": schema["display_name"],
        "description": schema["description"],
        "inputs": dict(_inputs(schema["input"])),
        "outputs": {
            str(number): {"name": name, **_tooltip(tooltip)} for number, (name, tooltip) in enumerate(outputs)
        },
    }


def _inputs(inputs: dict[str, dict[str, Any]], within: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Key and words of every input, those that a choice of a DynamicCombo shows too: "face.box" is at face_box."""
    for group in ("required", "optional"):
        for name, spec in inputs.get(group, {}).items():
            yield (
                f"{within}{name}",
                {"name": spec[1].get("display_name") or name, **_tooltip(spec[1].get("tooltip"))},
            )
            for option in spec[1].get("options") or ():
                if isinstance(option, dict):
                    yield from _inputs(option["inputs"], f"{within}{name}_")


def _tooltip(text: str | None) -> dict[str, str]:
    return {"tooltip": text} if text else {}


def translated(words: dict[str, Any], table: dict[str, str]) -> tuple[dict[str, Any], list[str], list[str]]:
    """The same in the table's language; the texts that the table lacks; its keys that nothing needs."""
    used: set[str] = set()
    missing: dict[str, None] = {}

    def translate(content: Any, path: str) -> Any:
        if isinstance(content, dict):
            return {key: translate(value, f"{path}.{key}" if path else key) for key, value in content.items()}
        key = path if path in table else content
        used.add(key)
        if key not in table:
            missing[content] = None
        return table.get(key, content)

    return translate(words, ""), list(missing), sorted(set(table) - used)


if __name__ == "__main__":
    sys.exit(main())
