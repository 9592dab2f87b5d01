"""What cuts cost: frames sampled per frame shown, with the release's clips of 77 frames and with those fitted to shots.

    python benchmarks/sampled_frames.py
    python benchmarks/sampled_frames.py --shots 31,12,80,7    # a cut list of your own, in frames at 25 a second

A shot is a chain of clips of its own, and a clip is 4n + 1 frames (`dub/clip_plan`): so shots that are all of 2, 3, 6,
7 or 10 frames cost more than 1.25, and no others do. Cut lists are drawn, the shots' lengths spread log-normally about
their mean. Nothing is sampled here; the plans are counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from xdub_core.dub.clip_plan import RELEASED_GEOMETRY
from xdub_core.dub.shots import plan_dub
from xdub_core.face.track import FaceTrack

FPS = 25
SPREAD = 0.7
"""Of the logarithm of a shot's length."""
MINUTES = 10


def track(shots: Sequence[int | None], lengths: Sequence[int]) -> FaceTrack:
    """A face in shots of these lengths; None: in that one it is not to be seen."""
    numbers = np.repeat([-1 if shot is None else shot for shot in shots], lengths)
    boxes = np.tile([0.0, 0, 64, 64], (len(numbers), 1))
    return FaceTrack(boxes, numbers >= 0, numbers, (64, 64))


def cost(tracks: Sequence[FaceTrack], fitted: bool) -> tuple[int, int, int]:
    """Shots, clips and sampled frames of a dub of these faces, as long as they are."""
    plans = plan_dub(tracks, len(tracks[0]), RELEASED_GEOMETRY, fitted=fitted)
    shots = [shot for of_speaker in plans for shot in of_speaker]
    clips = [clip for shot in shots for clip in shot.clips]
    return len(shots), len(clips), sum(clip.frames for clip in clips)


def in_turns(every: int, frames: int = 250) -> list[FaceTrack]:
    """Two people, of whom the cut shows now the one, now the other."""
    numbers = list(range(-(-frames // every)))
    lengths = np.diff([*range(0, frames, every), frames]).tolist()
    return [track([n if n % 2 == who else None for n in numbers], lengths) for who in (0, 1)]


def cut_list(mean_seconds: float, seed: int = 0) -> list[int]:
    """Shot lengths in frames of `MINUTES` of footage."""
    random, lengths = np.random.default_rng(seed), list[int]()
    centre = np.log(mean_seconds * FPS) - SPREAD**2 / 2
    while sum(lengths) < MINUTES * 60 * FPS:
        lengths.append(max(1, round(random.lognormal(centre, SPREAD))))
    return lengths


def footage() -> Iterator[tuple[str, list[FaceTrack]]]:
    """What is looked at."""
    for every in (5, 25):
        yield f"two people in turns, every {every}", in_turns(every)
    yield "shots of one second", [track(range(10), [25] * 10)]
    for seconds in (1.0, 2.5, 4.0, 8.0):
        lengths = cut_list(seconds)
        yield f"{MINUTES} minutes, shots of {seconds:g} s", [track(range(len(lengths)), lengths)]
    for frames in (78, 250, 1500):
        yield f"one shot of {frames} frames", [track([0], [frames])]
    for frames in (1, 2, 3, 4, 6, 7, 8, 10):
        yield f"shots of {frames} frames", [track(range(250 // frames), [frames] * (250 // frames))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shots", help="shot lengths in frames, with commas between them")
    options = parser.parse_args()
    if options.shots:
        lengths = [int(length) for length in options.shots.split(",")]
        looked_at = [("given cut list", [track(range(len(lengths)), lengths)])]
    else:
        looked_at = list(footage())
    table = Table(title="sampled frames, and how many for each that is shown", title_justify="left")
    for column in ("footage", "shots", "clips", "77 each", "", "fitted", ""):
        table.add_column(column, justify="left" if column == "footage" else "right")
    for name, tracks in looked_at:
        shown = sum(int(each.present.sum()) for each in tracks)
        shots, clips, before = cost(tracks, fitted=False)
        now = cost(tracks, fitted=True)[2]
        table.add_row(
            name,
            str(shots),
            str(clips),
            f"{before:,}",
            f"{before / shown:.2f}",
            f"{now:,}",
            f"{now / shown:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
