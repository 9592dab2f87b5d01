"""How ComfyUI's front end draws a workflow: boxes of nodes, places of sockets, curves of wires; from the JSON alone.

Numbers of front end 1.49, read off the real thing by hand; no test holds them against the browser yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import numpy as np

TITLE = 30.0
"""Above a node's `pos`."""

FOOTER = 24.0
"""Below a node's size: "Show advanced inputs" and errors, where Vue draws the nodes."""

SLOT, WIDGET = 20.0, 24.0
"""From one socket to the next, from one widget to the next."""

LONGEST_CONTROL = 80.0
"""How far a reroute's control points are from it at most."""

SAMPLES = 48
SHOWN_ONLY = {"MarkdownNote", "Note"}
SEED_MODES = {"fixed", "increment", "decrement", "randomize"}

Point = tuple[float, float]


@dataclass(frozen=True)
class Renderer:
    """Where sockets lie: how far inside of the node's edge, and how far below its `pos` the first one."""

    name: str
    inset: float
    first: float


RENDERERS = (Renderer("canvas", 10, 14), Renderer("vue", 0, 12))


@dataclass(frozen=True)
class Box:
    """A rectangle on the canvas."""

    left: float
    top: float
    right: float
    bottom: float

    def grown(self, by: float) -> Box:
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def narrowed(self, by: float) -> Box:
        """Without its left and right rims."""
        return Box(self.left + by, self.top, self.right - by, self.bottom)

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def has(self, points: np.ndarray) -> np.ndarray:
        """Which of the points, [N, 2], lie inside."""
        x, y = points.T
        return (x > self.left) & (x < self.right) & (y > self.top) & (y < self.bottom)


@dataclass(frozen=True)
class Wire:
    """A piece of a wire, from a socket or reroute to the next; pieces that several links share are one.

    `ends` name where it begins and ends, `nodes` the nodes that it begins or ends at, `points` lie on it, [N, 2].
    """

    ends: tuple[Any, Any]
    nodes: frozenset[int]
    links: tuple[int, ...]
    points: np.ndarray


@dataclass(frozen=True)
class Canvas:
    """A workflow as one of the renderers draws it."""

    workflow: dict[str, Any]
    renderer: Renderer = RENDERERS[0]

    @cached_property
    def nodes(self) -> dict[int, dict[str, Any]]:
        return {node["id"]: node for node in self.workflow["nodes"]}

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """Of each node, with its title and what may stand below it."""
        return {number: node_box(node) for number, node in self.nodes.items()}

    @cached_property
    def groups(self) -> dict[str, Box]:
        return {group["title"]: group_box(group) for group in self.workflow["groups"]}

    @cached_property
    def extent(self) -> Box:
        """Of everything."""
        every = [*self.boxes.values(), *self.groups.values()]
        return Box(
            min(box.left for box in every),
            min(box.top for box in every),
            max(box.right for box in every),
            max(box.bottom for box in every),
        )

    def output_at(self, number: int, slot: int) -> Point:
        """Where a wire leaves a node."""
        node = self.nodes[number]
        x, y = node["pos"]
        return x + node["size"][0] - self.renderer.inset, y + self.renderer.first + SLOT * slot

    def input_at(self, number: int, slot: int) -> Point:
        """Where a wire enters a node: sockets stand in the order of the inputs, above all widgets."""
        node = self.nodes[number]
        x, y = node["pos"]
        sockets = [each for each in node["inputs"] if "widget" not in each]
        own = node["inputs"][slot]
        if "widget" not in own:
            return x + self.renderer.inset, y + self.renderer.first + SLOT * sockets.index(own)
        top = SLOT * max(len(sockets), len(node["outputs"])) + 6
        return x + self.renderer.inset, y + top + WIDGET * self._row(node, own) + WIDGET / 2

    @staticmethod
    def _row(node: dict[str, Any], own: dict[str, Any]) -> int:
        """The row of a widget; a seed has what comes after it below."""
        names = [each["name"] for each in node["inputs"] if "widget" in each]
        before = names[: names.index(own["name"])]
        return len(before) + sum(name in ("seed", "pair") for name in before)

    @cached_property
    def wires(self) -> list[Wire]:
        """All pieces of all wires, each once."""
        reroutes = {each["id"]: each for each in self.workflow["extra"].get("reroutes", [])}
        last = {each["id"]: each["parentId"] for each in self.workflow["extra"].get("linkExtensions", [])}
        paths = {link[0]: self._path(link, reroutes, last.get(link[0])) for link in self.workflow["links"]}
        nexts: dict[Any, list[Point]] = {}
        for path in paths.values():
            for (_, _), (via, _), (_, after) in zip(path, path[1:], path[2:], strict=False):
                nexts.setdefault(via, []).append(after)
        found: dict[tuple[Any, Any], Wire] = {}
        for number, path in paths.items():
            leaving: Point | None = None
            for index, ((start, begin), (end, finish)) in enumerate(pairwise(path)):
                arriving = None
                direction: Point = (0.0, 0.0)
                if index < len(path) - 2:
                    direction = _direction(begin, finish, nexts[end])
                    arriving = _scaled(direction, -min(LONGEST_CONTROL, 0.25 * math.dist(begin, finish)))
                points = curve(begin, finish, leaving, arriving)
                known = found.get((start, end))
                links = (*(known.links if known else ()), number)
                nodes = frozenset(each[1] for each in (start, end) if each[0] in ("out", "in"))
                found[start, end] = Wire((start, end), nodes, links, points)
                if index < len(path) - 2:
                    reach = min(LONGEST_CONTROL, 0.25 * math.dist(finish, path[index + 2][1]))
                    leaving = _scaled(direction, reach)
        return list(found.values())

    def _path(
        self, link: list[Any], reroutes: dict[int, dict[str, Any]], last: int | None
    ) -> list[tuple[Any, Point]]:
        _, source, output, to, slot, _ = link
        via = []
        while last is not None:
            via.append((("reroute", last), tuple(reroutes[last]["pos"])))
            last = reroutes[last].get("parentId")
        begin = (("out", source, output), self.output_at(source, output))
        return [begin, *reversed(via), (("in", to, slot), self.input_at(to, slot))]

    def overlaps(self, gap: float = 8) -> list[tuple[int, int]]:
        """Pairs of nodes that lie on each other, or nearer than `gap`."""
        return [
            (one, other)
            for one, other in combinations(self.boxes, 2)
            if self.boxes[one].grown(gap / 2).overlaps(self.boxes[other].grown(gap / 2))
        ]

    def hidden_wires(self) -> list[tuple[tuple[Any, Any], int]]:
        """Wires that run under a node, or nearer than touching it; (the wire's ends, the node)."""
        hidden = []
        for wire in self.wires:
            for number, box in self.boxes.items():
                around = box.narrowed(self.renderer.inset + 4) if number in wire.nodes else box.grown(3)
                if around.has(wire.points).any():
                    hidden.append((wire.ends, number))
        return hidden

    def crossings(self) -> list[tuple[tuple[Any, Any], tuple[Any, Any]]]:
        """Pairs of wires that cross, those aside that begin or end in one place."""
        return [
            (one.ends, other.ends)
            for one, other in combinations(self.wires, 2)
            if not set(one.ends) & set(other.ends) and cross(one.points, other.points)
        ]

    def scale(self, width: float = 1900, height: float = 1100, part: float = 0.75) -> float:
        """The zoom at which a template opens in a window: the nodes in the middle `part` of it."""
        boxes = self.boxes.values()
        across = max(box.right for box in boxes) - min(box.left for box in boxes) + 20
        down = max(box.bottom for box in boxes) - min(box.top for box in boxes) + 20
        return min(part * width / across, part * height / down)


def node_box(node: dict[str, Any]) -> Box:
    """A node with its title, and what may stand below it."""
    (x, y), (width, height) = node["pos"], node["size"]
    return Box(x, y - TITLE, x + width, y + height + (0 if node["type"] in SHOWN_ONLY else FOOTER))


def group_box(group: dict[str, Any]) -> Box:
    x, y, width, height = group["bounding"]
    return Box(x, y, x + width, y + height)


def curve(
    begin: Point, end: Point, leaving: Point | None = None, arriving: Point | None = None
) -> np.ndarray:
    """Points of a wire [SAMPLES, 2]: out to the right, in from the left, unless a reroute says how."""
    reach = 0.25 * math.dist(begin, end)
    leaving, arriving = leaving or (reach, 0.0), arriving or (-reach, 0.0)
    corners = np.array([begin, np.add(begin, leaving), np.add(end, arriving), end])
    t = np.linspace(0, 1, SAMPLES)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return weights @ corners


def cross(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two lines of points cross."""
    first, second = one[:, None], other[None]
    along, across = np.diff(first, axis=0), np.diff(second, axis=1)

    def side(direction: np.ndarray, offset: np.ndarray) -> np.ndarray:
        return direction[..., 0] * offset[..., 1] - direction[..., 1] * offset[..., 0]

    start, end = second[:, :-1] - first[:-1], second[:, 1:] - first[:-1]
    back, forth = first[:-1] - second[:, :-1], first[1:] - second[:, :-1]
    apart = side(along, start) * side(along, end) < 0
    return bool((apart & (side(across, back) * side(across, forth) < 0)).any())


def _direction(before: Point, at: Point, after: list[Point]) -> Point:
    """The unit vector in which wires pass a reroute: between where they come from and where they go."""
    going = sum(math.atan2(y - at[1], x - at[0]) for x, y in after) / len(after)
    coming = math.atan2(at[1] - before[1], at[0] - before[0])
    half = (coming - going) / 2
    if abs(half) > math.pi / 2:
        half += math.pi
    return math.cos(coming - half), math.sin(coming - half)


def _scaled(vector: Point, by: float) -> Point:
    return vector[0] * by, vector[1] * by
