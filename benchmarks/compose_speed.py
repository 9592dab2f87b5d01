"""Frames per second of crop + colour match + region + paste-back, and what is done to a finished frame then.

    python benchmarks/compose_speed.py --width 1920 --height 1080 --box 600 --frames 200

What changes is the mouth with the chin, a fifth of the crop; with `--whole`, all of it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from itertools import repeat
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from xdub_core.compose.color_match import match_color
from xdub_core.compose.paste_back import paste_back
from xdub_core.compose.region import REACH, changed_region, steadied
from xdub_core.face.crop import crop_frame
from xdub_core.media.output.encode_frame import ToEncode
from xdub_core.media.picture.color import HD_VIDEO
from xdub_core.media.picture.frame import FinishedFrame, SourceFrame, StoredPicture, untouched
from xdub_core.media.picture.rgb_conversion import FromRgb, ToRgb

STAGES = ("crop", "colour match", "region", "paste-back")
ENCODED = ("to YUV, dubbed", "to YUV, untouched", "to YUV from RGB alone")
"""The writer's step before the encoder: with the source's own samples, and as it is for pictures without a source."""


def measure(
    width: int,
    height: int,
    box_size: int,
    crop_size: int,
    frames: int,
    deep: bool = False,
    whole: bool = False,
) -> Counter[str]:
    """Seconds of wall time per stage ("crop", ...) and of processor time ("CPU"), for `frames` frames in all."""
    random = np.random.default_rng(0)
    scale = np.iinfo(np.uint16 if deep else np.uint8).max
    picture = cv2.GaussianBlur(random.uniform(0, 1, (height, width, 3)).astype(np.float32), (0, 0), 3)
    picture += random.normal(0, 3 / 255, picture.shape)
    frame = (scale * np.clip(picture, 0, 1)).astype(np.uint16 if deep else np.uint8)
    change = _change(random, crop_size, whole)
    seconds: Counter[str] = Counter()

    def timed(stage: str, function: Callable[..., Any], *args: Any) -> Any:
        start = time.perf_counter()
        result = function(*args)
        seconds[stage] += time.perf_counter() - start
        return result

    cpu_start = time.process_time()
    for index in range(frames):
        x, y = (np.array([width, height]) - box_size) / 2 + 10 * np.sin(index / 7)
        box = np.array([x, y, x + box_size, y + box_size])
        source = timed("crop", crop_frame, frame, box, crop_size)
        kept = cv2.GaussianBlur(source, (0, 0), 0.8)
        generated, unchanged = (
            timed("colour match", match_color, crop, source) for crop in (np.clip(kept + change, 0, 1), kept)
        )
        region = timed("region", _region, generated, source, unchanged)
        timed("paste-back", paste_back, frame, generated, source, box, "change", unchanged, region)
    seconds["CPU"] = time.process_time() - cpu_start
    return seconds


def measure_encoded(width: int, height: int, box_size: int, frames: int, deep: bool = False) -> Counter[str]:
    """Seconds of wall time for `frames` frames of each kind in ENCODED."""
    random = np.random.default_rng(0)
    pixel_format = "yuv420p10le" if deep else "yuv420p"
    picture = cv2.GaussianBlur(random.integers(0, 255, (height, width, 3), dtype=np.uint8), (0, 0), 3)
    samples = FromRgb(pixel_format, width, height, HD_VIDEO)(picture)
    source = SourceFrame(ToRgb(pixel_format, width, height, HD_VIDEO)(samples), StoredPicture(samples))
    x0, y0 = (width - box_size) // 2, (height - box_size) // 2
    box = (x0, y0, x0 + box_size, y0 + box_size)
    dubbed = source.rgb.copy()
    dubbed[y0 : box[3], x0 : box[2]] = dubbed[y0 : box[3], x0 : box[2]][::-1]
    to_encode = ToEncode(pixel_format, width, height, (0, 0), HD_VIDEO, HD_VIDEO)
    finished = (FinishedFrame(dubbed, source, (box,)), untouched(source), FinishedFrame(dubbed))
    seconds: Counter[str] = Counter()
    for name, frame in zip(ENCODED, finished, strict=True):
        to_encode(frame)  # warm up
        start = time.perf_counter()
        for _ in range(frames):
            to_encode(frame)
        seconds[name] = time.perf_counter() - start
    return seconds


def _change(random: np.random.Generator, size: int, whole: bool) -> np.ndarray:
    """What a model would change of a crop of this size, float32 [size, size, 3]."""
    change = 3 * cv2.GaussianBlur(random.normal(0, 1, (size, size, 3)).astype(np.float32), (0, 0), size / 57)
    mouth = np.full((size, size), float(whole), np.float32)
    centre, radii = (size // 2, round(0.7 * size)), (round(0.2 * size), round(0.17 * size))
    cv2.ellipse(mouth, centre, radii, 0, 0, 360, 1.0, -1)
    return change * mouth[..., None]


def _region(generated: np.ndarray, source: np.ndarray, unchanged: np.ndarray) -> np.ndarray:
    """A frame's region, joined with as many others as in a long video."""
    region = changed_region(generated, source, unchanged)
    return next(steadied(repeat(region, 2 * REACH + 1)))


def table(
    width: int, height: int, box: int, crop: int, frames: int, deep: bool = False, whole: bool = False
) -> Table:
    """Measure, and tell milliseconds per stage and frames per second."""
    measure(width, height, box, crop, 5, deep, whole)  # warm up
    seconds = measure(width, height, box, crop, frames, deep, whole)
    changed = "all" if whole else "the mouth"
    title = f"{width}x{height}, {16 if deep else 8} bits, box {box}, crop {crop}, {changed} changed"
    result = Table(title=title, title_justify="left")
    for column in ("stage", "ms a frame", "frames/s"):
        result.add_column(column, justify="left" if column == "stage" else "right")
    total = sum(seconds[stage] for stage in STAGES)
    for name, value in (
        *((stage, seconds[stage]) for stage in STAGES),
        ("together", total),
        ("CPU", seconds["CPU"]),
        *measure_encoded(width, height, box, frames, deep).items(),
    ):
        result.add_row(name, f"{1000 * value / frames:.2f}", f"{frames / value:.0f}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = {"width": 1920, "height": 1080, "box": 600, "crop": 512, "frames": 200}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--deep", action="store_true", help="16-bit frames")
    parser.add_argument("--whole", action="store_true", help="all of the crop changes")
    Console().print(table(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
