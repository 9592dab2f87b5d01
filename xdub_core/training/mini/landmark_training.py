"""Training the landmark finder on rendered heads, whose landmarks are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.mini.face_landmarks import (
    CLOSE_UP,
    SIDE,
    LandmarkConfig,
    LandmarkFinder,
    LandmarkNet,
    close_ups,
    cut_square,
    whole_square,
)
from xdub_core.progress import ProgressCallback, ignore_progress
from xdub_core.training.batches import Batch, pick
from xdub_core.training.mini.small_network import NetworkSettings, seeded, train_network

_ABSENT_SHARE = 0.2
_WHOLE = 0.9


@dataclass(frozen=True)
class LandmarkExample:
    """`frames` uint8 [F, H, W, 3] with one face; `points` [F, K, 2] in pixels; `openness` [F] of the mouth, 0..1.

    `points`: the renderer's landmarks, then the two corners of its face box.
    """

    frames: np.ndarray
    points: np.ndarray
    openness: np.ndarray


@dataclass(frozen=True)
class LandmarkTraining:
    """Everything that decides what finder comes out.

    `zoom`: the frames are looked at from up to so much further away or nearer; `light`: largest change of brightness
    and contrast.
    """

    network: LandmarkConfig = field(default_factory=LandmarkConfig)
    trainer: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(
            steps=500, batch_size=32, learning_rate=3e-3, optimizer="muon", matrix_rate=0.02
        )
    )
    zoom: float = 2.5
    light: float = 0.2


def train_landmarks(
    examples: Sequence[LandmarkExample],
    training: LandmarkTraining,
    folder: Path | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> LandmarkFinder:
    """Train both networks, one after the other; `folder`'s name goes on with .far and .near.

    Raises what `train` raises; SettingsError for no examples, or another number of landmarks.
    """
    if not examples:
        raise SettingsError("training the landmark finder needs at least one example, but there are none")
    found = examples[0].points.shape[1]
    if found != training.network.points:
        raise SettingsError(f"the examples have {found} points, the finder {training.network.points}")
    networks = []
    for look in ("far", "near"):
        network = seeded(training.trainer.seed, lambda: LandmarkNet(training.network))
        train_network(
            f"landmarks, {look}",
            network,
            partial(_point_losses, network),
            partial(_batch, examples, training, look == "near"),
            training.trainer,
            None if folder is None else folder.with_name(f"{folder.name}.{look}"),
            on_progress,
        )
        networks.append(network)
    return LandmarkFinder(*networks)


def _point_losses(network: LandmarkNet, batch: Batch, _: torch.Generator) -> Mapping[str, Tensor]:
    """Mean distance of the landmarks in hundredths of the picture, mouth opening, presence."""
    found, present = network(batch["pictures"]), batch["present"]
    distance = (
        (100 * (found.points - batch["points"]) * present[:, None, None]).square().sum(-1).add(1e-4).sqrt()
    )
    opening = F.smooth_l1_loss(found.openness * present, batch["openness"] * present, beta=0.1)
    return {
        "points": distance.mean(),
        "openness": 10 * opening,
        "presence": F.binary_cross_entropy_with_logits(found.presence, present, batch["clear"]),
    }


def landmark_error(finder: LandmarkFinder, examples: Sequence[LandmarkExample]) -> float:
    """Mean distance of found landmarks to the true ones, as a fraction of the face's larger extent."""
    errors = []
    for example in examples:
        found = finder.find(list(example.frames)).points
        extent = (example.points.max(1) - example.points.min(1)).max(-1)
        errors.append(np.linalg.norm(found - example.points, axis=-1).mean(1) / extent)
    return float(np.concatenate(errors).mean())


def _batch(
    examples: Sequence[LandmarkExample], training: LandmarkTraining, near: bool, generator: torch.Generator
) -> Batch:
    """Pictures with their points, and whether the whole face is in them; "clear": 1 where all of it is, or none."""
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    pictures, points, openness, present, clear = [], [], [], [], []
    for index in pick(len(examples), training.trainer.batch_size, generator):
        example = examples[index]
        at = int(rng.integers(len(example.frames)))
        frame, face = example.frames[at], example.points[at].astype(np.float64)
        square = _near_square(face, rng) if near else _far_square(frame, training.zoom, rng)
        picture = cut_square(np.ascontiguousarray(frame), square)
        inside = (face - square[:2]) / (square[2] - square[0])
        share = float(((inside > 0) & (inside < 1)).all(axis=1).mean())
        if not near and rng.random() < _ABSENT_SHARE:
            picture, share = _without_face(picture, inside, rng), 0.0
        light, contrast = training.light * (2 * rng.random(2) - 1)
        picture = np.clip((picture / 255 - 0.5) * (1 + contrast) + 0.5 + light, 0, 1)
        pictures.append(torch.from_numpy(picture).permute(2, 0, 1).float())
        points.append(torch.from_numpy(inside).float())
        openness.append(float(example.openness[at]))
        present.append(float(share > _WHOLE))
        clear.append(float(share > _WHOLE or share < 1 - _WHOLE))
    numbers = {"openness": openness, "present": present, "clear": clear}
    return {
        "pictures": torch.stack(pictures),
        "points": torch.stack(points),
        **{name: torch.tensor(values) for name, values in numbers.items()},
    }


def _far_square(frame: np.ndarray, zoom: float, rng: np.random.Generator) -> np.ndarray:
    """The frame from another distance and off centre, so that faces are of any size and anywhere."""
    square = whole_square(frame.shape[1], frame.shape[0])
    side = (square[2] - square[0]) * zoom ** (2 * rng.random() - 0.7)
    centre = (square[:2] + square[2:]) / 2 + 0.25 * side * (2 * rng.random(2) - 1)
    return np.concatenate([centre - side / 2, centre + side / 2])


def _near_square(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The face as the first look would have found it: a little beside and larger or smaller than it is."""
    square = close_ups(face[None], CLOSE_UP * 1.25 ** (2 * rng.random() - 1))[0]
    shift = 0.06 * (square[2] - square[0]) * (2 * rng.random(2) - 1)
    return square + np.tile(shift, 2)


def _without_face(picture: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One plain colour, or the picture with its face painted over."""
    color = rng.integers(0, 256, 3)
    if rng.random() < 0.3:
        return np.broadcast_to(color, picture.shape).astype(np.uint8)
    low, high = np.floor(inside.min(0) * SIDE - 8), np.ceil(inside.max(0) * SIDE + 8)
    (x0, y0), (x1, y1) = low.clip(0, SIDE).astype(int), high.clip(0, SIDE).astype(int)
    painted = picture.copy()
    painted[y0:y1, x0:x1] = color if rng.random() < 0.5 else picture[0, 0]
    return painted
