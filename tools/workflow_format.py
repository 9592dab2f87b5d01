"""From a recipe of nodes to ComfyUI's two workflow formats, and to a thumbnail.

The API format is what `/prompt` takes: a node's inputs by name, a link as [node, output]. The UI format is what the
canvas shows: links and widget values by position, which only the nodes' schemas tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3", "CURVE", "RANGE"}
OPTIONAL_SHAPE = 7
WIDTH, GAP, TOP = 340, 80, 60
COLUMNS = 5
THUMBNAIL = (640, 400)
UPLOAD_WIDGETS: dict[str, list[Any]] = {"video_upload": ["image"], "audio_upload": [None, None]}
"""What the canvas keeps beside a file that can be uploaded."""


@dataclass(frozen=True)
class Link:
    """The output `index` of the node `node`."""

    node: str
    index: int = 0


@dataclass(frozen=True)
class Step:
    """A node: its name in the recipe, class, inputs (values and links), and the files that it needs."""

    name: str
    kind: str
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    models: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A workflow: its file's name, its heading and text for the note, and its nodes in order of the work."""

    name: str
    heading: str
    note: str
    steps: tuple[Step, ...]


Schemas = dict[str, dict[str, Any]]
"""What `/object_info` says of each class of nodes."""


def api_format(recipe: Recipe) -> dict[str, Any]:
    """The recipe as `/prompt` takes it."""
    numbers = _numbers(recipe)
    return {
        str(numbers[step.name]): {
            "class_type": step.kind,
            "inputs": {key: _api_value(value, numbers) for key, value in step.inputs.items()},
            "_meta": {"title": step.title or step.kind},
        }
        for step in recipe.steps
    }


def ui_format(recipe: Recipe, schemas: Schemas) -> dict[str, Any]:
    """The recipe as the canvas shows it."""
    numbers = _numbers(recipe)
    links = _links(recipe, schemas, numbers)
    places = _places(recipe, schemas)
    nodes = [_note(recipe)]
    for order, step in enumerate(recipe.steps):
        x, y, width, height = places[step.name]
        properties: dict[str, Any] = {"Node name for S&R": step.kind}
        if step.models:
            properties["models"] = list(step.models)
        nodes.append(
            {
                "id": numbers[step.name],
                "type": step.kind,
                **({"title": step.title} if step.title else {}),
                "pos": [x, y],
                "size": [width, height],
                "flags": {},
                "order": order + 1,
                "mode": 0,
                "inputs": _ui_inputs(step, schemas[step.kind], links, numbers),
                "outputs": _ui_outputs(step, schemas[step.kind], links, numbers),
                "properties": properties,
                "widgets_values": _widget_values(step, schemas[step.kind]),
            }
        )
    return {
        "last_node_id": len(recipe.steps) + 1,
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def widget_names(schema: dict[str, Any], values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The widgets of a node in the canvas's order, those of chosen dynamic options included, with their options."""
    return [(name, options) for name, kind, options in _inputs(schema["input"], values) if kind in WIDGETS]


def draw_thumbnail(recipe: Recipe, schemas: Schemas, path: Path) -> None:
    """A small picture of the graph under its heading, JPEG."""
    places = _places(recipe, schemas)
    corners = np.array([(x, y, x + w, y + h) for x, y, w, h in places.values()], float)
    low, high = corners[:, :2].min(0), corners[:, 2:].max(0)
    scale = float(min((THUMBNAIL[0] - 40) / (high - low)[0], (THUMBNAIL[1] - 80) / (high - low)[1], 0.5))
    shift = (np.add(THUMBNAIL, (0, 40)) - scale * (low + high)) / 2
    canvas = np.full((THUMBNAIL[1], THUMBNAIL[0], 3), (30, 28, 27), np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        right, down = np.round(scale * np.array([x, y]) + shift).astype(int).tolist()
        return right, down

    for step in recipe.steps:
        x, y, _, height = places[step.name]
        for value in step.inputs.values():
            if isinstance(value, Link):
                from_x, from_y, from_width, from_height = places[value.node]
                start, end = at(from_x + from_width, from_y + from_height / 2), at(x, y + height / 2)
                cv2.line(canvas, start, end, (120, 150, 90), 1, cv2.LINE_AA)
    for step in recipe.steps:
        x, y, width, height = places[step.name]
        color = (150, 90, 40) if step.kind.startswith("XDub") else (92, 86, 80)
        cv2.rectangle(canvas, at(x, y), at(x + width, y + height), (66, 60, 56), cv2.FILLED)
        cv2.rectangle(canvas, at(x, y), at(x + width, y + 46), color, cv2.FILLED)
        if scale > 0.22:
            _write(canvas, step.kind.removeprefix("XDub"), at(x + 12, y + 32), 1.1 * scale)
    _write(canvas, recipe.heading, (20, 32), 0.65)
    cv2.imwrite(str(path), canvas, [cv2.IMWRITE_JPEG_QUALITY, 85])


def _write(canvas: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (235, 235, 235), 1, cv2.LINE_AA)


def _numbers(recipe: Recipe) -> dict[str, int]:
    return {step.name: number for number, step in enumerate(recipe.steps, start=1)}


def _api_value(value: Any, numbers: dict[str, int]) -> Any:
    return [str(numbers[value.node]), value.index] if isinstance(value, Link) else value


def _inputs(
    given: dict[str, Any], values: dict[str, Any], prefix: str = ""
) -> list[tuple[str, str, dict[str, Any]]]:
    """All inputs of a schema as (name, type, options), in the canvas's order."""
    found = []
    for category in ("required", "optional"):
        for short, spec in given.get(category, {}).items():
            name, options = prefix + short, dict(spec[1]) if len(spec) > 1 else {}
            kind = "COMBO" if isinstance(spec[0], list | tuple) else spec[0]
            found.append((name, kind, options | {"optional": category == "optional"}))
            if kind == "COMFY_DYNAMICCOMBO_V3":
                chosen = [
                    option
                    for option in options["options"]
                    if option["key"] == values.get(name, options.get("default"))
                ]
                for option in chosen:
                    found += _inputs(option["inputs"], values, f"{name}.")
    return found


def _widget_values(step: Step, schema: dict[str, Any]) -> list[Any]:
    values: list[Any] = []
    for name, options in widget_names(schema, step.inputs):
        given = step.inputs.get(name, options.get("default"))
        values.append(options.get("default") if isinstance(given, Link) else given)
        if options.get("control_after_generate"):
            values.append("fixed")
        for upload, extra in UPLOAD_WIDGETS.items():
            values += extra if options.get(upload) else []
    return values


def _links(recipe: Recipe, schemas: Schemas, numbers: dict[str, int]) -> list[list[Any]]:
    links: list[list[Any]] = []
    kinds = {step.name: step.kind for step in recipe.steps}
    for step in recipe.steps:
        sockets = [name for name, _ in _sockets(step, schemas[step.kind])]
        for name, value in step.inputs.items():
            if isinstance(value, Link):
                kind = schemas[kinds[value.node]]["output"][value.index]
                to = (numbers[step.name], sockets.index(name))
                links.append([len(links) + 1, numbers[value.node], value.index, *to, kind])
    return links


def _sockets(step: Step, schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A node's input sockets on the canvas: all that are no widgets, and the widgets that are linked."""
    return [
        (name, {"type": kind, **options})
        for name, kind, options in _inputs(schema["input"], step.inputs)
        if kind not in WIDGETS or isinstance(step.inputs.get(name), Link)
    ]


def _ui_inputs(
    step: Step, schema: dict[str, Any], links: list[list[Any]], numbers: dict[str, int]
) -> list[dict[str, Any]]:
    own = {link[4]: link[0] for link in links if link[3] == numbers[step.name]}
    inputs = []
    for slot, (name, options) in enumerate(_sockets(step, schema)):
        socket: dict[str, Any] = {"name": name, "type": options["type"], "link": own.get(slot)}
        if options["type"] in WIDGETS:
            socket["widget"] = {"name": name}
        elif options["optional"]:
            socket["shape"] = OPTIONAL_SHAPE
        inputs.append(socket)
    return inputs


def _ui_outputs(
    step: Step, schema: dict[str, Any], links: list[list[Any]], numbers: dict[str, int]
) -> list[dict[str, Any]]:
    outputs = []
    for slot, kind in enumerate(schema["output"]):
        own = [link[0] for link in links if link[1] == numbers[step.name] and link[2] == slot]
        name = (schema.get("output_name") or schema["output"])[slot]
        outputs.append({"name": name, "type": kind, "links": own or None})
    return outputs


def _note(recipe: Recipe) -> dict[str, Any]:
    return {
        "id": len(recipe.steps) + 1,
        "type": "MarkdownNote",
        "pos": [GAP, TOP],
        "size": [WIDTH, 420],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": recipe.heading,
        "properties": {},
        "widgets_values": [recipe.note],
        "color": "#432",
        "bgcolor": "#653",
    }


def _places(recipe: Recipe, schemas: Schemas) -> dict[str, tuple[int, int, int, int]]:
    """x, y, width and height of every node: a column behind everything that it needs.

    A long chain goes on below, in rows of as many columns as a screen shows; what has no inputs stays in the first.
    """
    behind: dict[str, int] = {}
    heights: dict[str, int] = {}
    for step in recipe.steps:
        needs = [value.node for value in step.inputs.values() if isinstance(value, Link)]
        behind[step.name] = max((1 + behind[name] for name in needs), default=0)
        sockets = max(len(_sockets(step, schemas[step.kind])), len(schemas[step.kind]["output"]))
        heights[step.name] = 50 + 22 * sockets + 28 * len(_widget_values(step, schemas[step.kind]))
    places: dict[str, tuple[int, int, int, int]] = {}
    loaders = [name for name, depth in behind.items() if not depth]
    _stack(loaders, 1, TOP, heights, places)
    top, row = TOP, 0
    while any(depth > row * COLUMNS for depth in behind.values()):
        ends = []
        for column in range(1, COLUMNS + 1):
            here = [name for name, depth in behind.items() if depth == row * COLUMNS + column]
            ends.append(_stack(here, 1 + column, top, heights, places))
        top, row = max(ends) + GAP, row + 1
    return places


def _stack(
    names: list[str],
    column: int,
    top: int,
    heights: dict[str, int],
    places: dict[str, tuple[int, int, int, int]],
) -> int:
    """Place nodes one below the other; returns where the last ends, with a gap."""
    for name in names:
        places[name] = (GAP + column * (WIDTH + GAP), top, WIDTH, heights[name])
        top += heights[name] + GAP
    return top
