"""From a recipe of nodes to ComfyUI's two workflow formats.

The API format is what `/prompt` takes: a node's inputs by name, a link as [node, output]. The UI format is what the
canvas shows: links and widget values by position, which only the nodes' schemas tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflow_layout import Layout, frames, places, reroutes

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3", "CURVE", "RANGE"}
OPTIONAL_SHAPE = 7
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
    """A workflow: its file's name, its heading and text for the note, its nodes in order of the work, and their places.

    `app`: what App mode asks for, (step, input) each; it shows what the step `save` shows. Empty: not for App mode.
    `opens_as_app`: whether App mode is what it opens in; ComfyUI's template browser calls it an app where its name ends
    in ".app".
    """

    name: str
    heading: str
    note: str
    steps: tuple[Step, ...]
    layout: Layout
    app: tuple[tuple[str, str], ...] = ()
    opens_as_app: bool = False


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
    placed = places(recipe.layout, {step.name: step.kind for step in recipe.steps})
    nodes = [_note(recipe)]
    for order, step in enumerate(recipe.steps, start=1):
        nodes.append(ui_node(step, schemas[step.kind], order, placed[step.name], links, numbers))
    return {
        "last_node_id": len(recipe.steps) + 1,
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": frames(recipe.layout, placed),
        "config": {},
        "extra": _extra(recipe, schemas, links, numbers),
        "version": 0.4,
    }


def ui_node(
    step: Step,
    schema: dict[str, Any],
    order: int,
    place: tuple[float, float, float, float],
    links: list[list[Any]],
    numbers: dict[str, int],
) -> dict[str, Any]:
    """A node as the canvas keeps it."""
    x, y, width, height = place
    properties: dict[str, Any] = {"Node name for S&R": step.kind}
    if step.models:
        properties["models"] = list(step.models)
    return {
        "id": numbers[step.name],
        "type": step.kind,
        **({"title": step.title} if step.title else {}),
        "pos": [x, y],
        "size": [width, height],
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": _ui_inputs(step, schema, links, numbers),
        "outputs": _ui_outputs(step, schema, links, numbers),
        "properties": properties,
        "widgets_values": _widget_values(step, schema),
    }


def _extra(
    recipe: Recipe, schemas: Schemas, links: list[list[Any]], numbers: dict[str, int]
) -> dict[str, Any]:
    """App mode's inputs and outputs, and the points at which wires bend."""
    extra: dict[str, Any] = {}
    if recipe.app:
        asked = [[str(numbers[step]), name] for step, name in recipe.app]
        extra["linearData"] = {"inputs": asked, "outputs": [str(numbers["save"])]}
        extra["linearMode"] = recipe.opens_as_app
    steps = {numbers[step.name]: step for step in recipe.steps}
    named = {}
    for number, source, output, to, slot, _ in links:
        step = steps[to]
        name, _ = sockets(step, schemas[step.kind])[slot]
        named[steps[source].name, output, step.name, name] = number
    points, last = reroutes(recipe.layout, named)
    if points:
        extra |= {"reroutes": points, "linkExtensions": last}
    return extra


def widget_names(schema: dict[str, Any], values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The widgets of a node in the canvas's order, those of chosen dynamic options included, with their options."""
    return [(name, options) for name, kind, options in _inputs(schema["input"], values) if kind in WIDGETS]


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
        slots = [name for name, _ in sockets(step, schemas[step.kind])]
        for name, value in step.inputs.items():
            if isinstance(value, Link):
                kind = schemas[kinds[value.node]]["output"][value.index]
                to = (numbers[step.name], slots.index(name))
                links.append([len(links) + 1, numbers[value.node], value.index, *to, kind])
    return links


def sockets(step: Step, schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A node's inputs in the canvas's order: what is no widget, then the widgets, which can be linked too."""
    every = [
        (name, {"type": kind, **options}) for name, kind, options in _inputs(schema["input"], step.inputs)
    ]
    return sorted(every, key=lambda each: each[1]["type"] in WIDGETS)


def _ui_inputs(
    step: Step, schema: dict[str, Any], links: list[list[Any]], numbers: dict[str, int]
) -> list[dict[str, Any]]:
    own = {link[4]: link[0] for link in links if link[3] == numbers[step.name]}
    inputs = []
    for slot, (name, options) in enumerate(sockets(step, schema)):
        socket: dict[str, Any] = {"name": name, "type": options["type"], "link": own.get(slot)}
        if options["optional"]:
            socket["shape"] = OPTIONAL_SHAPE
        if options["type"] in WIDGETS:
            socket["widget"] = {"name": name}
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
    x, y, width, height = recipe.layout.note
    return {
        "id": len(recipe.steps) + 1,
        "type": "MarkdownNote",
        "pos": [x, y],
        "size": [width, height],
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
