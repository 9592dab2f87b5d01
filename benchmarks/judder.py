"""Does the mouth move as smoothly as the rest, where footage has more frames a second than the model's 25?

    python benchmarks/judder.py
    python benchmarks/judder.py --fps 60 --lines 1080 --pictures /tmp/pictures

A rendered person says something while the camera pans at a constant speed, and in the same frames something else: the
true dub, at any instant. Its crops at 25 a second, softened as a VAE does, stand for what a perfect model makes.
Everything from there on is the engine's: which instant each frame takes, what lies between two crops, paste-back.

Rows:

- true dub: rendered at every frame's own instant
- 25 a second, held: the model's own frames, each shown until the next one (`--fps 25` on such a screen)
- change held: the source's own frames, each with the nearest of the model's crops, which moves with the face
- cross-faded: the two crops around its instant, mixed
- dub: what the engine makes

Columns: how far the picture is from where the true dub has it, RMS over all frames, in pixels, by phase correlation:
outside (eyes and brow) and inside (mouth and chin); how far it steps from frame to frame apart from a constant
speed inside, RMS in pixels; and the RMS error, of 255, where source and true dub differ, grain averaged out: of frames
that are the model's own, and of those between.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from xdub_core.compose.between import mixed
from xdub_core.dub import changes
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.frames import DubbedFace, pasted_frames
from xdub_core.dub.playback import Playback, ShownFrames
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack
from xdub_core.heads.motion import light_at, pose_at
from xdub_core.heads.performance import CROP_WIDTH, Performance, head_renderer, make_performance
from xdub_core.heads.person import make_person
from xdub_core.heads.renderer import View
from xdub_core.heads.visemes import PhonemeInterval, mouth_track
from xdub_core.media.timeline import MODEL_FPS, Timeline, constant_clock, timeline_from_timestamps

SAID, HEARD = ("m", "a", "p", "æ", "f", "o", "k"), ("æ", "p", "i", "o", "m", "a", "s")
HEAD = 0.54
"""The head's height as a share of the frame's."""
GRAIN = 3.0
CROP = 256
_FINE = 600  # mouth shapes a second from which those of any instant are taken


@dataclass(frozen=True)
class Scene:
    """A person in front of a camera that pans, at `lines` lines and `speed` pixels a second, for `seconds`."""

    performance: Performance
    lines: int
    speed: float
    seconds: float

    @property
    def scale(self) -> float:
        return self.lines * HEAD / 2

    def view(self, seconds: float) -> View:
        """What the camera shows at an instant: the part of a frame that the face is in."""
        half, (x, y) = (
            CROP_WIDTH / 2 * 1.25,
            pose_at(self.performance.seed, 0.0, self.performance.motion).shift,
        )
        side = round(2 * half * self.scale / 2) * 2
        left = x - half - self.speed * (seconds - self.seconds / 2) / self.scale
        top = y + 0.37 - half
        return View((left, top, left + side / self.scale, top + side / self.scale), side, side)

    def box(self, seconds: float) -> np.ndarray:
        """The face's box in that picture, xyxy."""
        x, y = pose_at(self.performance.seed, seconds, self.performance.motion).shift
        half, window = CROP_WIDTH / 2, np.array(self.view(seconds).box)
        middle = np.array([x, y + 0.37])
        return (np.concatenate([middle - half, middle + half]) - np.tile(window[:2], 2)) * self.scale

    def pictures(self, seconds: np.ndarray, mouths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 [n, h, w, 3] at those instants with those mouths, and the boxes of the lips [n, 4]."""
        performance, renderer = self.performance, head_renderer(self.performance, self.scale)
        drawn = [
            renderer.draw(
                pose_at(performance.seed, float(at), performance.motion),
                light_at(performance.light, float(at), performance.moving_light),
                mouth,
                self.view(float(at)),
            )
            for at, mouth in zip(seconds, mouths, strict=True)
        ]
        return np.stack([one.image for one in drawn]), np.stack([one.mouth_box for one in drawn])


def mouths_at(words: tuple[str, ...], seconds: np.ndarray) -> np.ndarray:
    """Mouths at instants; as the model's frames have it, a frame shows the middle of its 40 ms."""
    times = 0.05 + 0.11 * np.arange(len(words) + 1)
    phonemes = [PhonemeInterval(*times[i : i + 2], word) for i, word in enumerate(words)]
    fine = mouth_track(phonemes, int((seconds.max() + 0.2) * _FINE), fps=_FINE)
    return fine[np.rint((seconds + 0.5 / MODEL_FPS) * _FINE - 0.5).astype(int)]


class Pictures:
    """A `FrameSource` of pictures in memory."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._pictures = pictures

    def frames(self, indices):  # noqa: ANN001, ANN201 (a `FrameSource`)
        """The frames asked for."""
        yield from (self._pictures[int(index)].copy() for index in indices)


@dataclass(frozen=True)
class Take:
    """A scene filmed at a rate: the source and the true dub with the same grain, and what the model makes of it."""

    source: np.ndarray
    truth: np.ndarray
    clean_source: np.ndarray
    clean_truth: np.ndarray
    lips: np.ndarray
    timeline: Timeline
    shown: ShownFrames
    face: DubbedFace
    slots: np.ndarray

    def dubbed(self, shown: ShownFrames) -> np.ndarray:
        """What the engine makes of these frames of the output."""
        made = pasted_frames(Pictures(self.source), shown, self.slots, [self.face], "change")
        return np.stack([frame.rgb for frame in made])


def film(scene: Scene, fps: int) -> Take:
    """Render everything."""
    count = round(scene.seconds * fps)
    clock = constant_clock(count, fps)
    clean_source, _ = scene.pictures(clock.seconds, mouths_at(SAID, clock.seconds))
    clean_truth, lips = scene.pictures(clock.seconds, mouths_at(HEARD, clock.seconds))
    grain = np.random.default_rng(0).normal(0, GRAIN, clean_source.shape)
    source, truth = (
        np.clip(np.rint(clean + grain), 0, 255).astype(np.uint8) for clean in (clean_source, clean_truth)
    )
    timeline = timeline_from_timestamps(clock.seconds, float(clock.end), nearest=True)
    playback = Playback(clock, timeline)
    slots = playback.slots(len(timeline) + 1)
    sampled = clock.seconds[timeline.source_index]
    generated, _ = scene.pictures(sampled, mouths_at(HEARD, np.arange(len(timeline)) / MODEL_FPS))
    boxes = np.stack([scene.box(float(at)) for at in sampled])
    crops = [
        DubbedCrop(
            _through_vae(new, box),
            crop_frame(source[index], box, CROP),
            _through_vae(clean_source[index], box),
        )
        for new, index, box in zip(generated, timeline.source_index, boxes, strict=True)
    ]
    there, size = np.ones(len(boxes), bool), source.shape[2:0:-1]
    track = FaceTrack(boxes, there, np.zeros(len(boxes), np.int64), (int(size[0]), int(size[1])))
    face = DubbedFace(track, [(range(len(crops)), crops)])
    shown = playback.shown(len(timeline))
    return Take(source, truth, clean_source, clean_truth, lips, timeline, shown, face, slots)


def _through_vae(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(crop_frame(picture, box, CROP), (0, 0), 0.8))


def ways(take: Take) -> dict[str, Callable[[], np.ndarray]]:
    """How a dub may be shown, by name."""
    shown, model = take.shown, len(take.timeline)
    number = np.minimum((shown.clock.seconds * MODEL_FPS + 1e-6).astype(int), model - 1)
    held = ShownFrames(
        take.timeline.source_index[number], shown.clock, number.astype(float), number.astype(float)
    )
    stepping = replace(shown, lips=np.rint(shown.lips))
    return {
        "true dub": lambda: take.truth,
        "25 a second, held": lambda: take.dubbed(held),
        "change held": lambda: take.dubbed(stepping),
        "cross-faded": lambda: _cross_faded(take),
        "dub": lambda: take.dubbed(shown),
    }


def _cross_faded(take: Take) -> np.ndarray:
    class CrossFade:
        def __init__(self, before: np.ndarray, after: np.ndarray) -> None:
            self._both = before, after

        def at(self, share: float) -> np.ndarray:
            return mixed(*self._both, share)

    followed, changes.Between = changes.Between, CrossFade  # type: ignore[misc, assignment]
    try:
        return take.dubbed(take.shown)
    finally:
        changes.Between = followed  # type: ignore[misc]


def offsets(pictures: np.ndarray, truth: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """How far each picture's content in its window (xyxy) is from the truth's, pixels, float64 [n, 2]."""
    found = []
    for picture, true, (x0, y0, x1, y1) in zip(pictures, truth, np.rint(windows).astype(int), strict=True):
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, picture.shape[1]), min(y1, picture.shape[0])
        one, other = (
            cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY).astype(np.float32)
            for image in (true, picture)
        )
        window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
        (x, y), (of_x, of_y) = (cv2.phaseCorrelate(one, image, window)[0] for image in (other, one))
        found.append((x - of_x, y - of_y))  # of windows of some sizes OpenCV's own zero is half a pixel off
    return np.array(found)


def measured(pictures: np.ndarray, take: Take) -> list[float]:
    """The columns."""
    boxes = np.stack([take.face.track.boxes[take.slots[int(place)]] for place in take.shown.place])
    side = (boxes[:, 2] - boxes[:, 0])[:, None]
    eyes = np.concatenate([boxes[:, :2] + side * [0.2, 0.12], boxes[:, :2] + side * [0.8, 0.42]], axis=1)
    middle = (take.lips[:, :2] + take.lips[:, 2:]) / 2
    mouth = np.concatenate([middle - side * 0.2, middle + side * [0.2, 0.28]], axis=1)
    outside, inside = (offsets(pictures, take.truth, windows) for windows in (eyes, mouth))
    rms = [float(np.sqrt(np.mean(np.sum(o**2, axis=1)))) for o in (outside, inside, np.diff(inside, axis=0))]
    errors = []
    for picture, truth, old, new in zip(
        pictures, take.truth, take.clean_source, take.clean_truth, strict=True
    ):
        error = cv2.GaussianBlur(picture.astype(np.float32) - truth, (0, 0), 1.0)
        differ = np.abs(old.astype(int) - new).max(axis=2) > 12
        errors.append(float(np.mean(error[differ] ** 2)) if differ.any() else 0.0)
    own = (take.shown.lips == np.rint(take.shown.lips)) & (take.shown.lips == take.shown.place)
    return [*rms, *(float(np.sqrt(np.mean(np.array(errors)[part]))) for part in (own, ~own))]


def report(scene: Scene, fps: int, pictures: Path | None) -> Table:
    """The table of one rate; `pictures`: a folder for strips of consecutive frames."""
    take = film(scene, fps)
    title = f"{fps} frames a second, {scene.lines} lines, pan of {scene.speed:g} pixels a second"
    table = Table(
        "",
        "outside px",
        "inside px",
        "steps px",
        "error, own",
        "error, between",
        title=title,
        title_justify="left",
    )
    strips = []
    for name, make in ways(take).items():
        made = make()
        table.add_row(name, *(f"{value:.2f}" for value in measured(made, take)))
        x0, y0, x1, y1 = _around_lips(take)
        first = len(made) // 3
        strips.append(np.concatenate(list(made[first : first + 7, y0:y1, x0:x1]), axis=1))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(pictures / f"judder_{fps}.png"), np.concatenate(strips)[..., ::-1])
    return table


def _around_lips(take: Take) -> tuple[int, int, int, int]:
    low, high = take.lips[:, :2].min(axis=0), take.lips[:, 2:].max(axis=0)
    margin = 0.25 * (high - low)
    (x0, y0), (x1, y1) = np.maximum(low - margin, 0).astype(int), (high + margin).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fps", type=int, nargs="+", default=[30, 50, 60])
    parser.add_argument("--lines", type=int, default=540)
    parser.add_argument("--seconds", type=float, default=0.84)
    parser.add_argument("--speed", type=float, default=150.0, help="of the pan, in pixels a second")
    parser.add_argument("--pictures", type=Path, help="folder for strips of consecutive frames, a row each")
    options = parser.parse_args()
    performance = make_performance(make_person(1_000_006), np.zeros((2, 8), np.float32), seed=4, hard=0.0)
    scene = Scene(performance, options.lines, options.speed, options.seconds)
    for fps in options.fps:
        Console(width=120).print(report(scene, fps, options.pictures))


if __name__ == "__main__":
    main()
