"""Several performances in one picture: people beside, before and behind each other, who come, go and cross.

Each person is drawn over the picture of those behind, so that where two overlap, one hides the other as in footage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from xdub_core.errors import SettingsError
from xdub_core.heads.motion import light_at, pose_at
from xdub_core.heads.performance import Performance, head_renderer
from xdub_core.heads.renderer import HeadPicture, View
from xdub_core.media.timeline import MODEL_FPS


@dataclass(frozen=True)
class Place:
    """Where a head is: its middle (x, y) and its height, in pixels of the picture; it may lie outside of it."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Actor:
    """A performance in a crowd. `place`: number of the frame -> where the head is then; None where it is not there."""

    performance: Performance
    place: Callable[[int], Place | None]


@dataclass(frozen=True)
class CrowdPicture:
    """A frame uint8 [h, w, 3], and each actor's own picture and annotation in it; None for those who are not there."""

    image: np.ndarray
    heads: tuple[HeadPicture | None, ...]


def render_crowd(
    actors: Sequence[Actor],
    start: int,
    stop: int,
    width: int = 640,
    height: int = 360,
    behind: np.ndarray | None = None,
) -> Iterator[CrowdPicture]:
    """Frames [start, stop) at 25 fps; later actors stand before earlier ones, sizes are even.

    Behind them all is `behind` (uint8 [height, width, 3]), or soft colours by the first actor's seed of a background.
    Raises SettingsError where there are no actors.
    """
    if not actors:
        raise SettingsError("a crowd needs one actor at least")
    scene = soft_colors(actors[0].performance.background, width, height) if behind is None else behind
    for frame in range(start, stop):
        picture = scene
        heads: list[HeadPicture | None] = []
        for actor in actors:
            place = actor.place(frame)
            heads.append(None if place is None else _drawn(actor.performance, frame, place, picture))
            picture = picture if heads[-1] is None else heads[-1].image
        yield CrowdPicture(picture, tuple(heads))


def soft_colors(seed: int, width: int, height: int) -> np.ndarray:
    """A background uint8 [height, width, 3] of colours that run into each other."""
    patches = np.random.default_rng([seed, 101]).uniform(40, 200, (3, 4, 3)).astype(np.float32)
    enlarged = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged.clip(0, 255), np.uint8)


def _drawn(performance: Performance, frame: int, place: Place, behind: np.ndarray) -> HeadPicture:
    rows, columns = behind.shape[:2]
    unit = place.height / 2  # pixels
    left, top = -place.x / unit, -place.y / unit
    view = View((left, top, left + columns / unit, top + rows / unit), columns, rows)
    seconds = frame / MODEL_FPS
    return head_renderer(performance, view.scale).draw(
        pose_at(performance.seed, seconds, performance.motion),
        light_at(performance.light, seconds, performance.moving_light),
        performance.mouth[min(frame, len(performance.mouth) - 1)],
        view,
        performance.occluder,
        seconds,
        behind,
    )
