"""From a blueprint's nodes to the file that puts it into ComfyUI's node library: a subgraph, and the node for it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from workflow_format import Link, Schemas, Step, sockets, ui_node
from workflow_layout import Layout, frames, places

CATEGORY = "X-Dub"
INSIDE, OUTSIDE = -10, -20
"""Ids of the two nodes inside a subgraph that stand for its inputs and for its outputs."""

INPUT = ""
"""`Link(INPUT, n)` in a step: the blueprint's input n."""

WIDTH, LINE, MARGIN = 160, 20, 20
NAMESPACE = uuid.UUID("0e9e8f3c-2f0a-5a53-9a56-3b8f0c3a7d10")


@dataclass(frozen=True)
class Blueprint:
    """A subgraph for the node library.

    `inputs`: (name, type) each. `widgets`: (step, input) of what can be set from outside. `output`: (name, link).
    """

    name: str
    description: str
    steps: tuple[Step, ...]
    layout: Layout
    inputs: tuple[tuple[str, str], ...]
    widgets: tuple[tuple[str, str], ...]
    output: tuple[str, Link]


def blueprint_file(blueprint: Blueprint, schemas: Schemas) -> dict[str, Any]:
    """The blueprint as the front end reads it: one node, whose type is the subgraph that is defined below it."""
    definition = _definition(blueprint, schemas)
    numbers = _numbers(blueprint)
    number = len(blueprint.steps) + 1  # another than those inside, or the front end numbers these anew
    node = {
        "id": number,
        "type": definition["id"],
        "title": blueprint.name,
        "pos": [0, 0],
        "size": [320, 60 + 28 * (len(blueprint.inputs) + len(blueprint.widgets))],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": name, "type": kind, "link": None} for name, kind in blueprint.inputs],
        "outputs": [
            {"name": each["name"], "type": each["type"], "links": []} for each in definition["outputs"]
        ],
        "properties": {"proxyWidgets": [[str(numbers[step]), name] for step, name in blueprint.widgets]},
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": number,
        "last_link_id": 0,
        "nodes": [node],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [definition]},
        "extra": {},
    }


def _definition(blueprint: Blueprint, schemas: Schemas) -> dict[str, Any]:
    numbers, links = _numbers(blueprint), _links(blueprint, schemas)
    placed = places(blueprint.layout, {step.name: step.kind for step in blueprint.steps})
    right = max(x + width for x, _, width, _ in placed.values()) + WIDTH // 2
    inputs = [
        _socket(blueprint, name, kind, [link[0] for link in links if link[1:3] == [INSIDE, slot]])
        | {"pos": [WIDTH - 2 * MARGIN, LINE * slot]}
        for slot, (name, kind) in enumerate(blueprint.inputs)
    ]
    output = _socket(blueprint, blueprint.output[0], links[-1][5], [links[-1][0]])
    output |= {"pos": [right + MARGIN, 0]}
    nodes = [
        ui_node(step, schemas[step.kind], order, placed[step.name], links, numbers)
        for order, step in enumerate(blueprint.steps)
    ]
    return {
        "id": str(uuid.uuid5(NAMESPACE, blueprint.name)),
        "version": 1,
        "state": {
            "lastGroupId": len(blueprint.layout.groups),
            "lastNodeId": len(blueprint.steps),
            "lastLinkId": len(links),
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": blueprint.name,
        "description": blueprint.description,
        "category": CATEGORY,
        "inputNode": {"id": INSIDE, "bounding": [-MARGIN, -MARGIN, WIDTH, 2 * MARGIN + LINE * len(inputs)]},
        "outputNode": {"id": OUTSIDE, "bounding": [right, -MARGIN, WIDTH, 2 * MARGIN + LINE]},
        "inputs": inputs,
        "outputs": [output],
        "widgets": [],
        "nodes": nodes,
        "groups": frames(blueprint.layout, placed),
        "links": [
            dict(
                zip(("id", "origin_id", "origin_slot", "target_id", "target_slot", "type"), link, strict=True)
            )
            for link in links
        ],
        "extra": {},
    }


def _numbers(blueprint: Blueprint) -> dict[str, int]:
    return {step.name: number for number, step in enumerate(blueprint.steps, start=1)} | {INPUT: INSIDE}


def _socket(blueprint: Blueprint, name: str, kind: str, links: list[int]) -> dict[str, Any]:
    number = uuid.uuid5(NAMESPACE, f"{blueprint.name}/{name}")
    return {"id": str(number), "name": name, "type": kind, "linkIds": links}


def _links(blueprint: Blueprint, schemas: Schemas) -> list[list[Any]]:
    """All links inside; the last one leads out."""
    numbers = _numbers(blueprint)
    kinds = {step.name: step.kind for step in blueprint.steps}
    links: list[list[Any]] = []
    for step in blueprint.steps:
        for slot, (name, _) in enumerate(sockets(step, schemas[step.kind])):
            value = step.inputs.get(name)
            if not isinstance(value, Link):
                continue
            if value.node == INPUT:
                _, kind = blueprint.inputs[value.index]
            else:
                kind = schemas[kinds[value.node]]["output"][value.index]
            to = (numbers[step.name], slot)
            links.append([len(links) + 1, numbers[value.node], value.index, *to, kind])
    _, source = blueprint.output
    kind = schemas[kinds[source.node]]["output"][source.index]
    links.append([len(links) + 1, numbers[source.node], source.index, OUTSIDE, 0, kind])
    return links
