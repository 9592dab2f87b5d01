"""What is lost of a face that is larger than the model's crop: its detail by octaves, and what finer crops would bring.

    python benchmarks/large_faces.py                       # boxes of 360 to 1800 pixels; some 5 minutes on one core
    python benchmarks/large_faces.py --lines 2160 --crops 512 1024 --pictures pictures

A rendered person says one thing, and, in the same frames with the same grain, another: the true dub (`paste_oracle`).
Its own crops stand for what a perfect model would make: nothing is lost but by cutting crops, by the VAE, and by
pasting. The released model was trained on crops of 512 pixels; what it makes of larger ones is not measured here.

VAEs: "none" hands crops through, "blur" softens them by 0.8 pixels of the crop, as a VAE does.

Columns:

- box: side of the face's box in pixels of the frame
- 1, 2, 4, 8 px: how much of the true dub's detail of about that size is there where the picture became another one (the
  mouth, the jaw's edges); regression, so that grain counts for nothing; 1 is all of it
- dB: PSNR against the true dub there, with the grain averaged out
- grain: deviation of the finest octave there, where it holds no detail, against the source's
- around: how much of the source's own finest octave, grain included, is there around that
- ms: to cut, judge and paste a frame, on one thread
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from paste_oracle import SCENES, VAES, Clip, dubbed_crops, make_clip, pasted
from rich.console import Console
from rich.table import Table

SIZES = ((720, 0.54), (1440, 0.54), (2160, 0.35), (2160, 0.54), (2160, 0.8))
"""Lines of the frame, and the head's height as a share of them."""
OCTAVES = 4
CHANGED = 6
"""Of 255: where source and true dub differ by more, the picture became another one."""


def octave(picture: np.ndarray, number: int) -> np.ndarray:
    """What a picture has of detail of about 2^number pixels."""
    fine = picture if number == 0 else cv2.GaussianBlur(picture, (0, 0), 0.5 * 2**number)
    return fine - cv2.GaussianBlur(picture, (0, 0), 2.0**number)


def places(new: np.ndarray, old: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the picture became another one, and the skin around that; bool [h, w]."""
    differing = (np.abs(new - old).max(axis=2) > CHANGED).view(np.uint8)
    side = max(3, len(new) // 60)
    changed = cv2.dilate(differing, np.ones((3, 3), np.uint8)) > 0
    around = cv2.dilate(differing, np.ones((side, side), np.uint8)) > 0
    return changed & lower, around & ~changed & lower


def share(got: np.ndarray, true: np.ndarray, where: np.ndarray) -> float:
    """How much of `true` is in `got`, by regression."""
    one, other = got[where].astype(np.float64), true[where].astype(np.float64)
    return float((one * other).sum() / max((other * other).sum(), 1e-9))


def measure(clip: Clip, results: list[np.ndarray]) -> list[float]:
    """The figures of a row, means over the frames."""
    rows = []
    for number, result in enumerate(results):
        got = result.astype(np.float32)
        new, old = (frames[number].astype(np.float32) for frames in (clip.clean_truth, clip.clean_source))
        changed, around = places(new, old, clip.lower_face[number])
        error = cv2.GaussianBlur(got - clip.truth[number], (0, 0), 1.5)[changed]
        truth = clip.truth[number].astype(np.float32)
        calm = changed & (np.abs(octave(new, 0)).max(axis=2) < 0.5)
        rows.append(
            [
                *(share(octave(got, band), octave(new, band), changed) for band in range(OCTAVES)),
                10 * np.log10(255**2 / float((error**2).mean())),
                octave(got, 0)[calm].std() / octave(truth, 0)[calm].std(),
                share(octave(got, 0), octave(truth, 0), around),
            ]
        )
    return [float(value) for value in np.mean(rows, axis=0)]


def save(path: Path, clip: Clip, made: np.ndarray) -> None:
    """The mouth of the first frame: source, result, true dub."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y, width, height = cv2.boundingRect(clip.lower_face[0].view(np.uint8))
    parts = [frame[y : y + height, x : x + width, ::-1] for frame in (clip.source[0], made, clip.truth[0])]
    cv2.imwrite(str(path), np.concatenate(parts, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, nargs="+", help="only frames of so many lines")
    parser.add_argument("--scene", choices=SCENES, default="plain")
    parser.add_argument(
        "--crops", type=int, nargs="+", default=[512, 768, 1024], help="sides of the crops, pixels"
    )
    parser.add_argument("--vaes", nargs="+", choices=VAES, default=["none", "blur"])
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--grain", type=float, default=3.0, help="sigma, of 255")
    parser.add_argument("--pictures", type=Path, help="a folder to put pictures of the mouths into")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table(title=f"{options.scene}, grain {options.grain:g}", title_justify="left")
    sizes = [f"{2**number} px" for number in range(OCTAVES)]
    for column in ("lines", "box", "crop", "VAE", *sizes, "dB", "grain", "around", "ms"):
        table.add_column(column, justify="left" if column == "VAE" else "right")
    for lines, head in SIZES:
        if options.lines and lines not in options.lines:
            continue
        clip = make_clip(options.scene, lines, options.frames, options.grain, head)
        side = clip.boxes[0, 2] - clip.boxes[0, 0]
        for vae in options.vaes:
            for crop in options.crops:
                crops = dubbed_crops(clip, vae, crop)
                start = time.thread_time()
                made = list(pasted(clip, crops, "now"))
                each = 1000 * (time.thread_time() - start) / len(made)
                figures = measure(clip, made)
                shown = [
                    f"{value:.1f}" if n == OCTAVES else f"{value:.2f}" for n, value in enumerate(figures)
                ]
                row = (f"{lines}", f"{side:.0f}", f"{crop}", vae, *shown, f"{each:.0f}")
                print(*row, file=sys.stderr, flush=True)
                table.add_row(*row)
                if options.pictures:
                    save(options.pictures / f"{lines}_{side:.0f}_{vae}_{crop}.png", clip, made[0])
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
