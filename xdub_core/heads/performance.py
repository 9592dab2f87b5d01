"""A performance: a synthetic person who moves in a light before a background and says something.

Everything but the mouth and the jaw is a function of the performance's seeds, so the same performance with other
speech is the perfect dub of it: `true_dub` (the rendered pairs of the paper's B.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from xdub_core.errors import SettingsError
from xdub_core.heads.motion import MotionSettings, light_at, pose_at
from xdub_core.heads.person import Person
from xdub_core.heads.renderer import HeadRenderer, View
from xdub_core.heads.scenery import BACKGROUND_BOX, OCCLUDERS, Occluder
from xdub_core.heads.visemes import PhonemeInterval, mouth_track
from xdub_core.media.timeline import MODEL_FPS

CROP_WIDTH = 1.90  # of the standard crop, in head units
_CROP_CENTRE = (0.0, 0.37)
_FOLLOW = 0.85  # how much of the head's wandering the crop follows


@dataclass(frozen=True, eq=False)
class Performance:
    """Everything that decides a talking-head video.

    Attributes:
        person: who.
        mouth: float32 [frames, 8], `mini.labels.MOUTH_PARAMETERS`; beyond its end the mouth stays as it was last.
        seed: of head motion, blinks and gaze.
        motion: how far and how fast the head moves.
        light, moving_light: the light's seed, and whether it moves.
        background: its seed.
        occluder: what passes before the face.
        framing: seed of the crop's small offsets.
    """

    person: Person
    mouth: np.ndarray
    seed: int = 0
    motion: MotionSettings = field(default_factory=MotionSettings)
    light: int = 0
    moving_light: bool = False
    background: int = 0
    occluder: Occluder = field(default_factory=Occluder)
    framing: int = 0


def make_performance(person: Person, mouth: np.ndarray, seed: int, hard: float = 0.3) -> Performance:
    """A performance with all its seeds drawn from `seed`.

    `hard` 0..1: the probability, each, of a moving light, of an occluder and (half of it) of a wide turn of the head.
    """
    rng = np.random.default_rng([seed, 89])
    moving, occluded, wide = rng.random(3) < (hard, hard, hard / 2)
    kind = str(rng.choice(OCCLUDERS[1:])) if occluded else "none"
    seeds = [int(value) for value in rng.integers(0, 2**31, 5)]
    return Performance(
        person=person,
        mouth=mouth,
        seed=seeds[0],
        motion=MotionSettings(yaw=30.0, pitch=11.0, roll=9.0) if wide else MotionSettings(),
        light=seeds[1],
        moving_light=bool(moving),
        background=seeds[2],
        occluder=Occluder(kind, seeds[3]),
        framing=seeds[4],
    )


def true_dub(performance: Performance, phonemes: Sequence[PhonemeInterval]) -> Performance:
    """The same performance saying something else, of the same length."""
    return replace(performance, mouth=mouth_track(phonemes, len(performance.mouth)))


class Camera(Protocol):
    """Decides what part of the scene a frame shows."""

    def view(self, performance: Performance, frame: int) -> View:
        """The window of this frame."""


@dataclass(frozen=True)
class CropCamera:
    """The square face crop: the whole face from brows to chin, following the head. `size` in pixels, even."""

    size: int = 96

    def view(self, performance: Performance, frame: int) -> View:
        """The window of this frame; does not depend on the speech."""
        return View(crop_window(performance, frame), self.size, self.size)


@dataclass(frozen=True)
class SceneCamera:
    """A camera that stands still. `head` is the head's height as a share of the picture's; sizes even."""

    width: int = 480
    height: int = 360
    head: float = 0.52

    def view(self, performance: Performance, frame: int) -> View:  # noqa: ARG002
        """The same window for every frame."""
        tall = 2.0 / self.head
        wide = tall * self.width / self.height
        left, top, right, bottom = BACKGROUND_BOX
        if wide > right - left or tall > bottom - top:
            raise SettingsError(
                f"a head of {self.head:g} of the picture shows more than the scene: make it larger"
            )
        return View((-wide / 2, 0.25 - tall / 2, wide / 2, 0.25 + tall / 2), self.width, self.height)


def crop_window(performance: Performance, frame: int) -> tuple[float, float, float, float]:
    """The standard face crop of a frame in scene units: left, top, right, bottom."""
    rng = np.random.default_rng([performance.framing, 97])
    half = CROP_WIDTH / 2 * rng.uniform(0.95, 1.08)
    x, y = rng.uniform(-0.04, 0.04, 2) + _CROP_CENTRE
    shift = pose_at(performance.seed, frame / MODEL_FPS, performance.motion).shift
    x, y = float(x + _FOLLOW * shift[0]), float(y + _FOLLOW * shift[1])
    return x - half, y - half, x + half, y + half


@dataclass(frozen=True, eq=False)
class Rendering:
    """Frames of a performance with their annotation; points and boxes in the frames' pixels.

    Attributes:
        frames: uint8 [n, h, w, 3].
        mouth: float32 [n, 8], `mini.labels.MOUTH_PARAMETERS`; column 0 is the mouth's openness.
        landmarks: float32 [n, points, 2], named by `mini.labels.LANDMARK_NAMES`.
        face_boxes: float32 [n, 4] xyxy, brows to chin with the jaw at rest.
        mouth_boxes: float32 [n, 4] xyxy of the lips.
        crop_boxes: float32 [n, 4] xyxy of the standard face crop.
        face_masks: bool [n, h, w], the face's skin without hair (an occluder does not cut it).
        jaw_masks: bool [n, h, w], the lower face with the jaw at its lowest: the same for every speech.
        occluder_masks: bool [n, h, w].
    """

    frames: np.ndarray
    mouth: np.ndarray
    landmarks: np.ndarray
    face_boxes: np.ndarray
    mouth_boxes: np.ndarray
    crop_boxes: np.ndarray
    face_masks: np.ndarray
    jaw_masks: np.ndarray
    occluder_masks: np.ndarray


def render(performance: Performance, start: int, stop: int, camera: Camera | None = None) -> Rendering:
    """Frames [start, stop) at 25 fps; the standard 96-pixel crop unless another camera is given.

    Any span gives the same frames as a longer one.
    """
    if stop <= start:
        raise SettingsError(f"cannot render frames {start} to {stop}: there are none")
    camera = camera or CropCamera()
    renderer = head_renderer(performance, camera.view(performance, start).scale)
    pictures, crops = [], []
    for frame in range(start, stop):
        view, seconds = camera.view(performance, frame), frame / MODEL_FPS
        pictures.append(
            renderer.draw(
                pose_at(performance.seed, seconds, performance.motion),
                light_at(performance.light, seconds, performance.moving_light),
                performance.mouth[min(frame, len(performance.mouth) - 1)],
                view,
                performance.occluder,
                seconds,
            )
        )
        crop = np.array(crop_window(performance, frame)) - np.tile(view.box[:2], 2)
        crops.append((crop * view.scale).astype(np.float32))
    return Rendering(
        frames=np.stack([picture.image for picture in pictures]),
        mouth=performance.mouth[np.clip(np.arange(start, stop), 0, len(performance.mouth) - 1)],
        landmarks=np.stack([picture.landmarks for picture in pictures]),
        face_boxes=np.stack([picture.face_box for picture in pictures]),
        mouth_boxes=np.stack([picture.mouth_box for picture in pictures]),
        crop_boxes=np.stack(crops),
        face_masks=np.stack([picture.face_mask for picture in pictures]),
        jaw_masks=np.stack([picture.jaw_mask for picture in pictures]),
        occluder_masks=np.stack([picture.occluder_mask for picture in pictures]),
    )


def head_renderer(performance: Performance, scale: float) -> HeadRenderer:
    """What draws this performance sharply at `scale` pixels to a head unit; the last few are kept."""
    detail = max(56.0, 2.1 * 96 / CROP_WIDTH, 1.6 * scale)
    return _renderer(performance.person, performance.background, round(detail / 8) * 8.0)


@lru_cache(maxsize=4)
def _renderer(person: Person, background: int, resolution: float) -> HeadRenderer:
    return HeadRenderer(person, background, resolution)
