"""How surely does the built-in model find several rendered heads in a frame? And where its search comes from.

    python benchmarks/face_search.py                                    # held-out people
    python benchmarks/face_search.py --fit face_search.safetensors      # people of the training split

A row a size of faces: how many there were, how many were found (the boxes share at least half of their union), and how
many faces were found where there is none. Frames of four sizes show nobody to three people who do not overlap, before
soft colours or the renderer's rooms.

`--fit` takes the plain face from the renderer's annotation, and fits the logistic regression that tells faces from
what only looks promising.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save_file

from xdub_core.face.overlap import overlap
from xdub_core.heads.crowd import Actor, Place, render_crowd
from xdub_core.heads.performance import make_performance
from xdub_core.heads.person import make_person
from xdub_core.heads.scenery import paint_background
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.detector import MiniDetector
from xdub_core.mini.face_search import FaceSearch, load_face_search
from xdub_core.mini.labels import LANDMARK_NAMES
from xdub_core.mini.loading import load_mini

SIZES = ((640, 360), (320, 180), (480, 360), (360, 640))
SMALLEST, LARGEST = 0.14, 0.6
"""Heads' heights, as shares of the frame's."""
PEOPLE = {"train": 0, "held-out": 1_000_000}
STEPS = (24, 32, 48)
"""Pixels of face boxes that divide the rows."""
FOUND, NONE = 0.5, 0.3
PENALTY = 1e-2


@dataclass(frozen=True, eq=False)
class CrowdFrame:
    """A frame uint8 [h, w, 3], its face boxes [n, 4], and its faces' points with the box's corners [n, K, 2]."""

    image: np.ndarray
    boxes: np.ndarray
    points: np.ndarray


def crowd_frames(split: str, count: int) -> Iterator[CrowdFrame]:
    """Frames with nobody to three people of a split."""
    for number in range(count):
        rng = np.random.default_rng([PEOPLE[split], number, 3])
        width, height = SIZES[number % len(SIZES)]
        room = _room(number, width, height) if number // len(SIZES) % 2 else None
        actors = [_actor(split, place, rng) for place in _places(rng, width, height)]
        yield _frame(actors, rng, width, height, room)


def _places(rng: np.random.Generator, width: int, height: int) -> list[Place]:
    places: list[Place] = []
    for _ in range(int(rng.integers(0, 4))):
        for _ in range(50):
            head = height * float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
            x, y = rng.uniform(0.45 * head, width - 0.45 * head), rng.uniform(0.5 * head, height - 0.5 * head)
            if all(abs(x - place.x) > 0.5 * (head + place.height) for place in places):
                places.append(Place(float(x), float(y), head))
                break
    return sorted(places, key=lambda place: place.height)


def _actor(split: str, place: Place, rng: np.random.Generator) -> Actor:
    seed = int(rng.integers(100_000))
    mouth = np.clip(rng.normal(0.3, 0.3, (1, 8)), 0, 1).astype(np.float32)
    performance = make_performance(make_person(PEOPLE[split] + seed), mouth, seed, hard=0.3)
    return Actor(replace(performance, background=seed), lambda _: place)


def _frame(
    actors: Sequence[Actor], rng: np.random.Generator, width: int, height: int, room: np.ndarray | None
) -> CrowdFrame:
    at = int(rng.integers(0, 200))
    nobody = Actor(_actor("train", Place(0, 0, 1), rng).performance, lambda _: None)
    shown = next(render_crowd([nobody, *actors], at, at + 1, width, height, behind=room))
    heads = [head for head in shown.heads if head is not None]
    boxes = np.array([head.face_box for head in heads], np.float64).reshape(-1, 4)
    corners = boxes.reshape(-1, 2, 2)
    landmarks = np.array([head.landmarks for head in heads]).reshape(-1, len(LANDMARK_NAMES), 2)
    return CrowdFrame(shown.image, boxes, np.concatenate([landmarks, corners], axis=1))


def _room(seed: int, width: int, height: int) -> np.ndarray:
    painted = paint_background(seed, 60.0)
    scale = min(painted.shape[1] / width, painted.shape[0] / height)
    cut = painted[: int(height * scale), : int(width * scale)]
    return (
        (cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA) * 255).clip(0, 255).astype(np.uint8)
    )


def fit_search(frames: Sequence[CrowdFrame], before: FaceSearch) -> tuple[np.ndarray, np.ndarray, float]:
    """The plain face's shape [K, 2], the weights and the bias; of `before` the networks are taken."""
    boxes = np.concatenate([frame.boxes for frame in frames])
    points = np.concatenate([frame.points for frame in frames if len(frame.boxes)])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
    shape = ((points - ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]) / sides[:, None, None]).mean(0)
    search = replace(before, shape=shape)
    features, labels = [], []
    for frame in frames:
        close = search.close_ups(frame.image, search.candidates(frame.image))
        for seen, box in zip(close.features, close.boxes, strict=True):
            best = overlap(box, frame.boxes).max(initial=0)
            if best > FOUND or best < NONE:
                features.append(seen)
                labels.append(best > FOUND)
    return shape, *_logistic(torch.from_numpy(np.stack(features)), torch.tensor(labels))


def _logistic(x: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, float]:
    mean, scale = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / scale
    share = torch.where(y, 1 / y.sum(), 1 / (~y).sum()) / 2
    weights = torch.zeros(x.shape[1] + 1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (x @ weights[:-1] + weights[-1]) * torch.where(y, 1.0, -1.0)
        value = (torch.nn.functional.softplus(-logits) * share).sum()
        value = value + PENALTY * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    direction = weights.detach()[:-1] / scale
    return direction.numpy(), float(weights.detach()[-1] - direction @ mean)


def _face_boxes(detector: MiniDetector, frame: np.ndarray) -> np.ndarray:
    found = detector.detect_all([frame])[0]
    return np.array([detector.face_box(face) for face in found]).reshape(-1, 4)


def measure(frames: Sequence[CrowdFrame], detector: MiniDetector) -> Table:
    """The table that the module's docstring describes."""
    rows: dict[str, list[bool]] = {}
    false, spent = 0, 0.0
    for frame in frames:
        start = time.process_time()
        found = _face_boxes(detector, frame.image)
        spent += time.process_time() - start
        for box in frame.boxes:
            hit = bool((overlap(box, found) > FOUND).any())
            rows.setdefault(_row((box[2:] - box[:2]).max()), []).append(hit)
        false += sum(bool((overlap(box, frame.boxes) < NONE).all()) for box in found)
    table = Table("faces", "number", "found", title=f"{len(frames)} frames")
    for name in sorted(rows, key=lambda name: int(name.split()[-2])):
        table.add_row(name, str(len(rows[name])), f"{np.mean(rows[name]):.1%}")
    table.add_row("false", str(false), f"{false / len(frames):.1%} of frames")
    table.add_row("CPU time", "", f"{1000 * spent / len(frames):.0f} ms a frame searched")
    return table


def _row(side: float) -> str:
    below = next((step for step in STEPS if side < step), None)
    return f"up to {below} pixels" if below else f"over {STEPS[-1]} pixels "


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--fit", type=Path, help="where the fitted search goes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.fit:
        mini = load_mini()
        blank = FaceSearch(mini.detector.finder, np.zeros((0, 2)), np.zeros(0), 0.0)
        shape, weights, bias = fit_search(list(crowd_frames("train", arguments.frames)), blank)
        save_file({"shape": shape, "weights": weights, "bias": np.array([bias])}, arguments.fit)
        return
    detector = MiniDetector(load_mini().detector.finder, search=load_face_search(BUILT_IN))
    Console().print(measure(list(crowd_frames("held-out", arguments.frames)), detector))


if __name__ == "__main__":
    main()
