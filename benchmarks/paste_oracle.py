"""How well crops come back into frames, where the true dub is known.

A rendered person says one thing, and, in the same frames with the same grain, another: the true dub. Its own crops
stand for what a perfect model would make; what paste-back makes of them is compared with it at full resolution.

    python benchmarks/paste_oracle.py                        # 720, 1440 and 2160 lines; some 10 minutes on 2 cores
    python benchmarks/paste_oracle.py --lines 1440 --scenes plain --pictures /tmp/pictures

VAEs: "none" hands crops through, "blur" softens them as a VAE does, "mini" is the built-in model's VAE (made for
crops of 96 pixels, so at 512 it does worse than a large VAE), "moving" is "blur" with a model that moves everything
a little: bends by 0.3 pixels of the crop, and brightness.

The first row is the true dub with grain of its own: what a picture without any fault measures.

Columns, over the lower face (as far as any mouth could move it):

- dB: PSNR against the true dub, whose grain is the source's; a picture without grain of sigma 3 has 38.6 at most
- edges: what is left there of the old picture's edges that the true dub has not; 1 is all of it. Linear regression
- outline: RMS error along these edges with the grain averaged out, of 255
- grain, at edges: deviation of the grain against the source's, inside what changed and along these edges
- kept: share of the frame's pixels, equal in source and true dub, that are the source's bit by bit
- flicker: RMS of the frame-to-frame change of the error, grain averaged out, where the picture holds no change
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from xdub_core.compose.color_match import match_color
from xdub_core.compose.paste_back import feather_mask, paste_back
from xdub_core.compose.region import with_regions
from xdub_core.dub.crops import DubbedCrop
from xdub_core.face.crop import crop_frame, crop_to_frame
from xdub_core.heads.performance import Performance, crop_window, make_performance, render
from xdub_core.heads.person import make_person
from xdub_core.heads.renderer import View
from xdub_core.heads.visemes import PhonemeInterval, mouth_track
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.network_files import load_network
from xdub_core.mini.vae import MiniVAE

HEAD = 0.54
"""The head's height as a share of the frame's: at 1440 lines the face box has some 730 pixels."""
SAID, HEARD = ("m", "a", "p", "æ"), ("æ", "p", "i", "o")
PHONEME_SECONDS = 0.13
SCENES = ("plain", "beard", "low contrast")
_NEAR_THE_SKIN = 1057  # a background of nearly the colour that this person's jaw has


@dataclass(frozen=True)
class Clip:
    """Consecutive frames with their true dub.

    Attributes:
        source, truth: uint8 [n, h, w, 3], with the same grain; `clean_source`, `clean_truth`: without.
        boxes: float64 [n, 4] of the face.
        lower_face: bool [n, h, w].
    """

    source: np.ndarray
    truth: np.ndarray
    clean_source: np.ndarray
    clean_truth: np.ndarray
    boxes: np.ndarray
    lower_face: np.ndarray

    def with_other_grain(self, sigma: float) -> list[np.ndarray]:
        """The true dub under grain that is not the source's, where the two differ."""
        differing = (self.clean_source != self.clean_truth).any(axis=3)
        other = _with_grain(self.clean_truth, sigma, seed=3)
        return [np.where(d[..., None], o, t) for d, o, t in zip(differing, other, self.truth, strict=True)]


@dataclass(frozen=True)
class FaceWindow:
    """A camera that stands still and shows the part of a frame of so many lines that the face is in."""

    lines: int
    head: float = HEAD

    def view(self, performance: Performance, frame: int) -> View:  # noqa: ARG002 (the signature of a camera)
        left, top, right, bottom = crop_window(performance, 0)
        margin, scale = 0.12 * (right - left), self.lines * self.head / 2
        side = round((bottom - top + 2 * margin) * scale / 2) * 2
        left, top = left - margin, top - margin
        return View((left, top, left + side / scale, top + side / scale), side, side)


def make_clip(scene: str, lines: int, frames: int, grain: float, head: float = HEAD) -> Clip:
    """Render a scene of `SCENES`, and add grain of this deviation, of 255. `head`: see `HEAD`."""
    camera = FaceWindow(lines, head)
    said, heard = (render(_performance(scene, frames, words), 0, frames, camera) for words in (SAID, HEARD))
    grainy = (_with_grain(rendering.frames, grain, seed=1) for rendering in (said, heard))
    boxes = said.crop_boxes.astype(np.float64)
    return Clip(*grainy, said.frames, heard.frames, boxes, said.jaw_masks)


def _with_grain(frames: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    rng, result = np.random.default_rng(seed), np.empty_like(frames)
    for number, frame in enumerate(frames):
        result[number] = np.clip(np.round(rng.normal(frame, sigma)), 0, 255)
    return result


def _performance(scene: str, frames: int, words: tuple[str, ...]) -> Performance:
    person = make_person(1_000_006)
    if scene == "beard":
        person = replace(person, beard_style="full", hair=(0.34, 0.21, 0.12))
    times = 0.05 + PHONEME_SECONDS * np.arange(len(words) + 1)
    phonemes = [PhonemeInterval(*times[i : i + 2], name) for i, name in enumerate(words)]
    performance = make_performance(person, mouth_track(phonemes, frames), seed=4, hard=0.0)
    return replace(performance, background=_NEAR_THE_SKIN) if scene == "low contrast" else performance


# -- VAEs: crops [size, size, 3] -> what they come to ---------------------------------------------------------------


def blurred(crops: list[np.ndarray]) -> list[np.ndarray]:
    return [cv2.GaussianBlur(crop, (0, 0), 0.8) for crop in crops]


def through_mini(crops: list[np.ndarray]) -> list[np.ndarray]:
    """Through the mini's VAE; the last crop is repeated where a latent is not full."""
    vae = _mini_vae()
    missing = vae.grid.filled(len(crops)) - len(crops)
    with torch.no_grad():
        latents = vae.encode(torch.from_numpy(np.stack(crops + crops[-1:] * missing)))
        return list(vae.decode(latents).numpy()[: len(crops)])


@cache
def _mini_vae() -> MiniVAE:
    return MiniVAE(load_network("codec", BUILT_IN))


def moving(crops: list[np.ndarray]) -> list[np.ndarray]:
    """Softened crops in which everything moves a little, otherwise in each."""
    rng = np.random.default_rng(2)
    result = []
    for crop in blurred(crops):
        size = len(crop)
        bend = [
            cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 12) for _ in range(3)
        ]
        dx, dy, light = (wave / wave.std() for wave in bend)
        rows, columns = np.indices((size, size), dtype=np.float32)
        moved = cv2.remap(
            crop, columns + 0.3 * dx, rows + 0.3 * dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        result.append(np.clip(moved + 0.002 * light[..., None], 0, 1))
    return result


VAE = Callable[[list[np.ndarray]], list[np.ndarray]]
VAES: dict[str, tuple[VAE, VAE]] = {  # of the model's crops, and of the source's
    "none": (list, list),
    "blur": (blurred, blurred),
    "moving": (moving, blurred),
    "mini": (through_mini, through_mini),
}


def dubbed_crops(clip: Clip, vae: str, size: int) -> list[DubbedCrop]:
    """What a perfect model behind this VAE would hand to paste-back."""
    of_model, of_source = VAES[vae]
    sources, truths = (
        [crop_frame(frame, box, size) for frame, box in zip(frames, clip.boxes, strict=True)]
        for frames in (clip.source, clip.truth)
    )
    made = zip(of_model(truths), sources, of_source(sources), strict=True)
    return [DubbedCrop(match_color(new, old), old, match_color(kept, old)) for new, old, kept in made]


# -- ways to put crops back -------------------------------------------------------------------------------------------


def change_added(frame: np.ndarray, crop: DubbedCrop, box: np.ndarray) -> np.ndarray:
    """The former default: the difference of the crops is added where they differ visibly, judged frame by frame."""
    size = len(crop.generated)
    assert crop.source_through_vae is not None
    difference = cv2.resize(
        np.abs(crop.generated - crop.source_through_vae).mean(axis=2),
        (128, 128),
        interpolation=cv2.INTER_AREA,
    )
    gate = np.clip((cv2.GaussianBlur(difference, (0, 0), 128 / 48) - 0.015) / 0.03, 0, 1)
    gate = cv2.resize(gate * gate * (3 - 2 * gate), (size, size)) * feather_mask(size)
    change = 255 * (crop.generated - crop.source) * gate[..., None]
    layer = cv2.warpAffine(change, crop_to_frame(box, size), frame.shape[1::-1], flags=cv2.INTER_LINEAR)
    return cv2.add(frame, layer, dtype=cv2.CV_8U)


def pasted(clip: Clip, crops: list[DubbedCrop], way: str) -> Iterator[np.ndarray]:
    """The frames with the crops put back: "change added", "whole crop", or "now", as the engine does by default."""
    for frame, box, (crop, region) in zip(
        clip.source, clip.boxes, with_regions(crops, way == "now"), strict=True
    ):
        if way == "change added":
            yield change_added(frame, crop, box)
        elif way == "whole crop":
            yield paste_back(frame, crop.generated, crop.source, box, "crop")
        else:
            yield paste_back(
                frame, crop.generated, crop.source, box, "change", crop.source_through_vae, region
            )


WAYS = ("change added", "whole crop", "now")


# -- measures ---------------------------------------------------------------------------------------------------------


@dataclass
class Sums:
    """Sums over frames, from which the figures come; see the module's text."""

    error: float = 0.0
    pixels: float = 0.0
    along: float = 0.0
    old: float = 0.0
    outline: float = 0.0
    edge_pixels: float = 0.0
    grain_inside: tuple[float, float] = (0.0, 0.0)
    grain_edges: tuple[float, float] = (0.0, 0.0)
    kept: float = 0.0
    same: float = 0.0
    flicker: tuple[float, float] = (0.0, 0.0)


def measure(clip: Clip, results: list[np.ndarray]) -> dict[str, float]:
    """The figures of a table's row."""
    sums, before = Sums(), None
    scale = len(clip.source[0]) / 900
    for number, result in enumerate(results):
        new, old = (frames[number].astype(np.float32) for frames in (clip.clean_truth, clip.clean_source))
        error = result.astype(np.float32) - clip.truth[number]
        lower, same = clip.lower_face[number], (new == old).all(axis=2)
        sums.error, sums.pixels = sums.error + _sum(error**2, lower), sums.pixels + 3 * lower.sum()
        sums.kept += ((result == clip.source[number]).all(axis=2) & same).sum()
        sums.same += same.sum()
        gone = lower & _gone_edges(old, new, scale)
        smooth = cv2.GaussianBlur(error, (0, 0), 1.5)
        detail = _fine(old, scale) - _fine(new, scale)
        sums.along += _sum(_fine(error, scale) * detail, gone)
        sums.old += _sum(detail**2, gone)
        sums.outline, sums.edge_pixels = (
            sums.outline + _sum(smooth**2, gone),
            sums.edge_pixels + 3 * gone.sum(),
        )
        got, given = (
            _finest(picture - clean) ** 2 for picture, clean in ((result, new), (clip.source[number], old))
        )
        calm = _calm(new, scale)
        inside = lower & calm & (np.abs(new - old).max(axis=2) > 1)
        sums.grain_inside = _plus(sums.grain_inside, got, given, inside)
        sums.grain_edges = _plus(sums.grain_edges, got, given, gone & calm)
        if before is not None:
            still = lower & same & before[1]
            sums.flicker = _plus(sums.flicker, (smooth - before[0]) ** 2, np.ones_like(smooth), still)
        before = smooth, same
    return {
        "dB": 10 * np.log10(255**2 * sums.pixels / sums.error),
        "edges": sums.along / max(sums.old, 1e-9),
        "outline": np.sqrt(sums.outline / max(sums.edge_pixels, 1)),
        "grain": _ratio(sums.grain_inside),
        "at edges": _ratio(sums.grain_edges),
        "kept": sums.kept / max(sums.same, 1),
        "flicker": _ratio(sums.flicker),
    }


def _sum(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].sum(dtype=np.float64))


def _plus(
    sums: tuple[float, float], one: np.ndarray, other: np.ndarray, where: np.ndarray
) -> tuple[float, float]:
    return sums[0] + _sum(one, where), sums[1] + _sum(other, where)


def _ratio(sums: tuple[float, float]) -> float:
    return float(np.sqrt(sums[0] / max(sums[1], 1e-9)))


def _fine(picture: np.ndarray, scale: float) -> np.ndarray:
    """What a picture has of edges and lines; float32 [h, w, 3]."""
    return picture - cv2.GaussianBlur(picture, (0, 0), 2.5 * scale)


def _finest(picture: np.ndarray) -> np.ndarray:
    return picture - cv2.GaussianBlur(picture, (0, 0), 1.0)


def _edges(picture: np.ndarray, scale: float) -> np.ndarray:
    return np.abs(_fine(picture, scale)).max(axis=2)


def _calm(picture: np.ndarray, scale: float) -> np.ndarray:
    """Where there is no edge within a few pixels; bool [h, w]."""
    return cv2.dilate(_edges(picture, scale), np.ones((7, 7))) < 2


def _gone_edges(old: np.ndarray, new: np.ndarray, scale: float) -> np.ndarray:
    """Edges of the old picture in places where the new one has none; bool [h, w]."""
    near = cv2.dilate(_edges(new, scale), np.ones((7, 7)))
    return (_edges(old, scale) > 6) & (near < 3) & (np.abs(old - new).max(axis=2) > 3)


# -- the program ------------------------------------------------------------------------------------------------------


def table(scene: str, lines: int, vaes: list[str], options: argparse.Namespace) -> Table:
    """Render a scene, and measure every way with every VAE."""
    clip = make_clip(scene, lines, options.frames, options.grain)
    side = clip.boxes[0, 2] - clip.boxes[0, 0]
    title = f"{scene}, {lines} lines, box {side:.0f}, crop {options.crop}, grain {options.grain:g}"
    result, names = Table(title=title, title_justify="left"), ()
    rows = chain(
        [("-", "true, other grain", clip.with_other_grain(options.grain))], _ways(clip, vaes, options.crop)
    )
    for vae, way, made in rows:
        figures = measure(clip, made)
        if not names:
            names = tuple(figures)
            for column in ("VAE", "way", *names):
                result.add_column(column, justify="left" if column in ("VAE", "way") else "right")
        result.add_row(vae, way, *(f"{figures[name]:.{1 if name == 'dB' else 3}f}" for name in names))
        if options.pictures:
            _save(options.pictures, f"{scene} {lines} {vae} {way}".replace(" ", "_"), clip, made)
    return result


def _ways(clip: Clip, vaes: list[str], size: int) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """Every VAE and way, with the frames that they come to."""
    for vae in vaes:
        crops = dubbed_crops(clip, vae, size)
        for way in WAYS:
            yield vae, way, list(pasted(clip, crops, way))


def _save(folder: Path, name: str, clip: Clip, made: list[np.ndarray]) -> None:
    """The mouth in each frame: source, result and true dub side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frames in enumerate(zip(clip.source, made, clip.truth, strict=True)):
        x, y, width, height = cv2.boundingRect(clip.lower_face[number].view(np.uint8))
        parts = [frame[y : y + height, x : x + width, ::-1] for frame in frames]
        cv2.imwrite(str(folder / f"{name}_{number:02}.png"), np.concatenate(parts, axis=1))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, nargs="+", default=[720, 1440, 2160], help="of the frames")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES)
    parser.add_argument("--vaes", nargs="+", choices=VAES, default=["none", "blur", "moving", "mini"])
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--grain", type=float, default=3.0, help="sigma, of 255")
    parser.add_argument("--crop", type=int, default=512, help="side of the crops, pixels")
    parser.add_argument("--pictures", type=Path, help="a folder to put pictures of the mouths into")
    options = parser.parse_args(arguments)
    for lines in options.lines:
        for scene in options.scenes:
            Console().print(table(scene, lines, options.vaes, options))


if __name__ == "__main__":
    main()
