"""How much a pasted mouth trembles on a head that walks, turns and comes closer, against the release's integer boxes.

    python benchmarks/jitter.py                            # 2 minutes on one core
    python benchmarks/jitter.py --error 0.01               # with a detector that errs by so much of the face
    python benchmarks/jitter.py --models mini --pictures pictures

A rendered head passes through the picture, bobbing with its steps, and in the same frames it says something else: the
true dub. Its face is found, followed, cut, made by a model, and pasted back; where the mouth then is, is measured
against the true dub's by registration (least squares for shift, size and brightness). What trembles is what is left of
the error without its mean over some frames around (Gaussian, sigma 0.1 s).

Models:

- follows: a perfect one, that sees in each crop where the face is in it
- steady: a perfect one that does not follow what trembles from frame to frame: in the crop, the mouth is where it is on
  the mean of five frames (a latent holds four), so whatever the box does comes out in the picture
- mini: the built-in model's VAE, with the true dub's crops; it was made for crops of 96 pixels, and has a tremble of
  its own (not by default: 2 minutes more)

Columns: RMS tremble in pixels of the frame of the box's centre, of its side, and of the mouth across, up and down, and
by its size (at the edge of the lips). "of all" is the mouth's three together; "smaller" the release's by ours.

Exit code 1 when with the steady model ours is not at least 5 times smaller.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from paste_oracle import through_mini
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter1d

from xdub_core.compose.paste_back import paste_back
from xdub_core.compose.region import with_regions
from xdub_core.dub.crops import DubbedCrop, crop_finisher
from xdub_core.face.crop import CropMode, crop_frame
from xdub_core.face.detector import Detection, detection_from_keypoints
from xdub_core.face.track import track_faces
from xdub_core.heads.performance import Performance, Rendering, make_performance, render
from xdub_core.heads.person import make_person
from xdub_core.heads.renderer import View
from xdub_core.heads.visemes import PhonemeInterval, mouth_track
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.detector import face_keypoints
from xdub_core.mini.loading import load_mini

ENOUGH = 5.0
SLOW = 0.1 * MODEL_FPS
"""Sigma of the mean that is no tremble, in frames."""
LATENT = 5
"""Frames over which the steady model means."""
SAID, HEARD = ("a", "m", "i", "o", "p", "e"), ("o", "a", "p", "u", "a", "m")
WAYS: dict[str, CropMode] = {"release": "as_released", "ours": "subpixel"}


@dataclass(frozen=True)
class Walk:
    """A camera past which a head walks: 0.35 head units a second, two steps a second, and closer."""

    lines: int
    frames: int

    def view(self, performance: Performance, frame: int) -> View:  # noqa: ARG002 (the signature of a camera)
        second = (frame - self.frames / 2) / MODEL_FPS
        width = self.lines * 4 // 3
        tall = 2 / (0.5 + 0.02 * second)
        wide = tall * width / self.lines
        x, y = -0.35 * second, 0.25 + 0.03 * np.abs(np.sin(2 * np.pi * second))
        return View((x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2), width, self.lines)


class Pointed:
    """A detector that knows the face boxes, but for an error that is another one in each frame."""

    def __init__(self, boxes: np.ndarray, error: float) -> None:
        rng = np.random.default_rng(5)
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None]
        self._boxes = boxes + error * sides * rng.normal(size=boxes.shape)

    def detect(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[Detection | None]:
        assert numbers is not None and len(frames) == len(numbers)
        return [detection_from_keypoints(face_keypoints(self._boxes[number]), 1.0) for number in numbers]


def scene(lines: int, frames: int) -> tuple[Rendering, Rendering]:
    """The walk as the source has it, and its true dub."""
    person = make_person(1_000_006)
    said, heard = (
        render(
            make_performance(person, mouth_track(_phonemes(words), frames), 4, hard=0.0),
            0,
            frames,
            Walk(lines, frames),
        )
        for words in (SAID, HEARD)
    )
    return said, heard


def _phonemes(words: tuple[str, ...]) -> list[PhonemeInterval]:
    return [PhonemeInterval(0.15 * i, 0.15 * i + 0.15, name) for i, name in enumerate(words * 20)]


def generated(
    model: str, truth: np.ndarray, boxes: np.ndarray, size: int, mode: CropMode
) -> list[np.ndarray]:
    """What a model makes for each frame."""
    if model == "steady":
        slow = np.pad(boxes, ((LATENT // 2,) * 2, (0, 0)), mode="reflect", reflect_type="odd")
        slow = np.stack([slow[start : start + LATENT].mean(axis=0) for start in range(len(boxes))])
        return [crop_frame(frame, box, size) for frame, box in zip(truth, slow, strict=True)]
    crops = [crop_frame(frame, box, size, mode) for frame, box in zip(truth, boxes, strict=True)]
    return through_mini(crops) if model == "mini" else crops


def pasted(
    source: np.ndarray, truth: np.ndarray, boxes: np.ndarray, model: str, size: int, mode: CropMode
) -> Iterator[np.ndarray]:
    """The source's frames with what the model made for them."""
    finish = crop_finisher(as_released=mode == "as_released")
    kept = [crop_frame(frame, box, size, mode) for frame, box in zip(source, boxes, strict=True)]
    made = generated(model, truth, boxes, size, mode)
    through = through_mini(kept) if model == "mini" else kept
    crops = [DubbedCrop(finish(a, b), b, finish(c, b)) for a, b, c in zip(made, kept, through, strict=True)]
    paste = "as_released" if mode == "as_released" else "change"
    for frame, box, (crop, region) in zip(source, boxes, with_regions(crops, paste == "change"), strict=True):
        yield paste_back(frame, crop.generated, crop.source, box, paste, crop.source_through_vae, region)


def misplaced(made: np.ndarray, truth: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    """How far the mouth in a box [4] is off: x, y, and outwards at the lips' corners, in pixels."""
    middle, radius = (mouth[:2] + mouth[2:]) / 2, (mouth[2] - mouth[0]) / 2
    low, high = np.round(middle - 1.3 * radius).astype(int), np.round(middle + 1.3 * radius).astype(int)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    new, old = (_soft_gray(frame)[window] for frame in (made, truth))
    rows, columns = np.mgrid[window]
    x, y = (columns - middle[0] + 0.5) / radius, (rows - middle[1] + 0.5) / radius
    down, across = np.gradient(old)
    unknowns = [-across, -down, -(across * x + down * y), old, np.ones_like(old)]
    shift, *_ = np.linalg.lstsq(np.stack([u.ravel() for u in unknowns], 1), (new - old).ravel(), rcond=None)
    return shift[:3]


def _soft_gray(frame: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64), (0, 0), 1.5)


def tremble(values: np.ndarray) -> np.ndarray:
    """RMS over the frames [n, ...] of what is no slow motion."""
    quick = values - gaussian_filter1d(values, SLOW, axis=0)
    quick = quick[3:-3]
    return np.sqrt((quick**2).mean(axis=0))


def measure(
    said: Rendering,
    heard: Rendering,
    boxes: np.ndarray,
    model: str,
    size: int,
    mode: CropMode,
    pictures: Path | None,
) -> np.ndarray:
    """Tremble of the box (centre, side) and of the mouth (x, y, size), in pixels."""
    # The box that trembles not at all is the head's own path.
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1)
    box = [np.sqrt((tremble(centers) ** 2).mean()), tremble(sides)]
    errors = []
    for number, made in enumerate(pasted(said.frames, heard.frames, boxes, model, size, mode)):
        errors.append(misplaced(made, heard.frames[number], heard.mouth_boxes[number]))
        if pictures:
            _save(
                pictures / f"{model}_{mode}_{number:03}.png",
                made,
                heard.frames[number],
                heard.mouth_boxes[number],
            )
    return np.array([*box, *tremble(np.array(errors))])


def _save(path: Path, made: np.ndarray, truth: np.ndarray, mouth: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (x0, y0), (x1, y1) = np.round(mouth[:2] - 40).astype(int), np.round(mouth[2:] + 40).astype(int)
    pair = np.concatenate([frame[y0:y1, x0:x1, ::-1] for frame in (made, truth)], axis=1)
    cv2.imwrite(str(path), cv2.resize(pair, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=480, help="of the frames")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--crop", type=int, default=256, help="side of the crops, pixels")
    parser.add_argument(
        "--models", nargs="+", choices=("follows", "steady", "mini"), default=["follows", "steady"]
    )
    parser.add_argument(
        "--error",
        type=float,
        help="the detector's error, as a part of the face; without, the mini's detector looks",
    )
    parser.add_argument("--pictures", type=Path, help="a folder to put pictures of the mouths into")
    options = parser.parse_args()
    torch.set_num_threads(1)
    said, heard = scene(options.lines, options.frames)
    tracks = {}
    for way in WAYS:
        detector = (
            load_mini(BUILT_IN).detector if options.error is None else Pointed(said.face_boxes, options.error)
        )
        tracks[way] = track_faces(said.frames, detector, as_released=way == "release")
    side = np.mean(tracks["ours"].boxes[:, 2] - tracks["ours"].boxes[:, 0])
    title = f"{options.lines} lines, box {side:.0f}, crop {options.crop}, " + (
        "detector of the mini" if options.error is None else f"detector's error {options.error:g}"
    )
    table, wrong = Table(title=title, title_justify="left"), False
    for column in ("model", "boxes", "box", "side", "mouth x", "y", "size", "of all", "smaller"):
        table.add_column(column, justify="left" if column in ("model", "boxes") else "right")
    for model in options.models:
        released = 0.0
        for way, mode in WAYS.items():
            figures = measure(said, heard, tracks[way].boxes, model, options.crop, mode, options.pictures)
            whole = float(np.sqrt((figures[2:] ** 2).sum()))
            released = released or whole
            smaller = "" if way == "release" else f"{released / whole:.1f} x"
            table.add_row(model, way, *(f"{figure:.3f}" for figure in (*figures, whole)), smaller)
            wrong |= model == "steady" and way == "ours" and released < ENOUGH * whole
    Console(width=120).print(table)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
