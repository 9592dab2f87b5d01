"""Colour matching on dubs whose true answer is known: error, flicker, and the jump where a clip begins.

    python benchmarks/color_seams.py --dubs 4

The built-in model dubs held-out heads (61 frames, clips of 13), and every frame's colours are matched to its source in
each of four ways: not at all, as released, as the engine does, and with the engine's affine map carried through time,
over the seams (a mean that takes 0.3 of each new frame). Then again with a tint of every clip's own laid over it, which
the built-in model has not, but longer clips of a larger one may have: offsets and contrasts drawn for each channel.

Measured is the mean colour of what lies within 4 pixels of the moving mouth and equals the source in the true dub, in
grey levels of 255: its distance from the true dub's, how much that changes from frame to frame, and how much it changes
where a new clip's own frames begin.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from xdub_core.audio.features import TensorFeatures
from xdub_core.compose.color_match import match_color, match_color_as_released
from xdub_core.dub.clip_chain import ClipChain
from xdub_core.dub.clip_plan import Clip, plan_clips
from xdub_core.dub.crops import crop_finisher
from xdub_core.evaluation.measure import DubCase
from xdub_core.evaluation.mini_report import MiniEvaluation
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import Mini, load_mini

NEAR = np.ones((9, 9), dtype=np.uint8)
SAME = 0.02
CARRIED = 0.3
TINTS = (0.0, 0.05, 0.12)

Frames = np.ndarray
"""float32 [frames, size, size, 3] in 0..1."""


def frame_by_frame(
    match: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[Frames, Frames], Frames]:
    """A way to match that knows no time."""
    return lambda made, source: np.stack([match(*pair) for pair in zip(made, source, strict=True)])


def carried(made: Frames, source: Frames) -> Frames:
    """The affine maps of `match_color`, read off its results, as a running mean."""
    results, mean = [], None
    for frame, target in zip(made, source, strict=True):
        pixels, matched = (
            x.reshape(-1, 3)[::7].astype(np.float64) for x in (frame, match_color(frame, target))
        )
        line = np.array([np.polyfit(a, b, 1) for a, b in zip(pixels.T, matched.T, strict=True)])
        mean = line if mean is None else mean + CARRIED * (line - mean)
        results.append(np.clip(frame * mean[:, 0] + mean[:, 1], 0, 1).astype(np.float32))
    return np.stack(results)


WAYS: dict[str, Callable[[Frames, Frames], Frames]] = {
    "not matched": frame_by_frame(lambda made, _: made),
    "as released": frame_by_frame(match_color_as_released),
    "by frame, tint first": frame_by_frame(match_color),
    "carried through time": carried,
}


def dubbed(case: DubCase, mini: Mini) -> tuple[Frames, Frames, tuple[Clip, ...]]:
    """A case's crops as the VAE decodes them, the source's, and the clips they were made in."""
    source = case.source.numpy().astype(np.float32) / 255
    settings, vae = mini.card.settings, mini.model.vae
    clips = plan_clips(len(source), geometry=settings.geometry.on_grid(vae.grid))
    sampler = mini.model.sampler(settings.sampler)
    chain = ClipChain(vae, sampler, settings.geometry, crop_finisher(match_colors=False))
    made = chain.run(TensorFeatures(case.features), iter(source), clips)
    return np.stack([crop.generated for crop in made]), source, clips


def tinted(made: Frames, clips: tuple[Clip, ...], most: float, seed: int) -> Frames:
    """Every clip's new frames under an offset of up to `most`, and up to 1.6 times as much of contrast."""
    random, result = np.random.default_rng(seed), made.copy()
    for clip in clips:
        offset, contrast = random.uniform(-most, most, 3), random.uniform(1 - 1.6 * most, 1 + 1.6 * most, 3)
        span = slice(clip.new_start, clip.stop)
        result[span] = np.clip((result[span] - 0.5) * contrast + 0.5 + offset, 0, 1)
    return result


def measured(result: Frames, case: DubCase, clips: tuple[Clip, ...]) -> tuple[float, float, float]:
    """Error, flicker and jump at the seams, in grey levels; see above."""
    truth, source = (x.numpy().astype(np.float32) / 255 for x in (case.truth, case.source))
    errors = []
    for frame, true, old, mouth in zip(result, truth, source, case.mouth.numpy(), strict=True):
        near = (cv2.dilate(mouth.astype(np.uint8), NEAR) > 0) & (np.abs(true - old).max(axis=-1) < SAME)
        errors.append(255 * (frame - true)[near].mean(axis=0))
    changes = np.abs(np.diff(errors, axis=0)).mean(axis=1)
    seams = [clip.new_start - 1 for clip in clips[1:]]
    return float(np.abs(errors).mean()), float(changes.mean()), float(changes[seams].mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dubs", type=int, default=4)
    parser.add_argument("--cache", type=Path, help="a folder that keeps the rendered heads")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        cases = MiniEvaluation(BUILT_IN, options.cache or Path(scratch), options.dubs).cases
    mini = load_mini(BUILT_IN)
    dubs = [(case, *dubbed(case, mini)) for case in cases]
    table = Table(title=f"{len(dubs)} dubs, grey levels of 255", title_justify="left")
    for column in ("tint of clips", "matched", "error", "flicker", "at seams"):
        table.add_column(column, justify="left" if column == "matched" else "right")
    for most in TINTS:
        for name, way in WAYS.items():
            rows = [
                measured(way(tinted(made, clips, most, seed), source), case, clips)
                for seed, (case, made, source, clips) in enumerate(dubs)
            ]
            table.add_row(f"{most:g}", name, *(f"{value:.2f}" for value in np.mean(rows, axis=0)))
    Console().print(table)


if __name__ == "__main__":
    main()
