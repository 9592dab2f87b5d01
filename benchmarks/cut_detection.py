"""Cut detection: cuts found and missed, false alarms, and what it costs a frame at 1080p.

    python benchmarks/cut_detection.py

Rendered heads in different scenes, which hold the face in the same place, are cut together in several ways, and the
uncut ones are panned, lit, faded and made noisy. Takes about a minute. The cost is the processor time of one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from xdub_core.heads.performance import SceneCamera, make_performance, render
from xdub_core.heads.person import make_person
from xdub_core.heads.visemes import mouth_track
from xdub_core.media.video.cuts import CutDetector
from xdub_core.media.video.reader import VideoReader

SAMPLE = Path(__file__).resolve().parents[1] / "xdub_core/mini/sample/source.mp4"
FRAMES = 50
PEOPLE = 6
Clip = np.ndarray
"""uint8 [frames, height, width, 3]."""


def people(**same: int) -> list[Clip]:
    """A still camera on each person; half with moving lights and things that pass before the face."""
    camera = SceneCamera(480, 360, 0.56)
    return [
        render(
            replace(make_performance(make_person(n), mouth_track((), FRAMES), n, hard=n % 2), **same),
            0,
            FRAMES,
            camera,
        ).frames
        for n in range(PEOPLE)
    ]


def noisy(clip: Iterable[np.ndarray], sigma: float) -> Iterator[np.ndarray]:
    """The clip with Gaussian noise of its own in each frame."""
    rng = np.random.default_rng(0)
    for frame in clip:
        yield np.clip(frame + rng.normal(0, sigma, frame.shape), 0, 255).astype(np.uint8)


def lit(clip: Clip, gains: np.ndarray, offset: float = 0.0) -> Clip:
    """Each frame times its gain, plus the offset where its gain is not 1."""
    gains = gains[:, None, None, None].astype(np.float32)
    return np.clip(clip[: len(gains)] * gains + offset * (gains != 1), 0, 255).astype(np.uint8)


def panned(clip: Clip, pixels: int, hold: int = 1) -> Clip:
    """A window that runs to and fro over a wide picture, `pixels` a step, each position held for `hold` frames."""
    wide = np.concatenate([clip[0], clip[0][:, ::-1], clip[-1]], axis=1)
    room = wide.shape[1] - 480
    at = np.abs((np.arange(FRAMES) // hold * pixels + room) % (2 * room) - room)
    return np.stack([wide[:, x : x + 480] for x in at])


def tinted(clip: Clip, tints: np.ndarray) -> Clip:
    """Each frame times its tint, [frames, 3]."""
    return np.clip(clip * tints[:, None, None].astype(np.float32), 0, 255).astype(np.uint8)


def shaken(clip: Clip, pixels: int) -> Clip:
    """A camera that jumps by up to so many pixels in each frame."""
    at = np.random.default_rng(0).integers(0, 2 * pixels + 1, (len(clip), 2))
    return np.stack([f[y : 320 + y, x : 440 + x] for f, (y, x) in zip(clip, at, strict=True)])


def zoomed(clip: Clip) -> Iterator[np.ndarray]:
    """The clip's first 25 frames, each shown larger than the one before."""
    for n, frame in enumerate(clip[:25]):
        height, width = (round(side / 1.03**n) for side in frame.shape[:2])
        y, x = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
        yield cv2.resize(frame[y : y + height, x : x + width], (480, 360))


def dissolved(one: Clip, other: Clip, frames: int) -> Clip:
    """One clip, then the other, the change lasting so many frames."""
    share = np.clip((np.arange(FRAMES) - 20) / frames, 0, 1)[:, None, None, None].astype(np.float32)
    return (one * (1 - share) + other * share).astype(np.uint8)


def interleaved(one: Clip, other: Clip, every: int) -> tuple[Clip, list[int]]:
    """Two clips, changing over each `every` frames, and where the cuts are."""
    turn = (np.arange(FRAMES) // every % 2 == 1)[:, None, None, None]
    return np.where(turn, other, one), list(range(every, FRAMES - 1, every))


def flashes(length: int) -> np.ndarray:
    """Gains of a clip with three flashes."""
    gains = np.ones(FRAMES)
    for start in (9, 24, 38):
        gains[start : start + length] = 2.5
    return gains


def report(name: str, cases: Iterable[tuple[Iterable[np.ndarray], list[int]]]) -> None:
    """Print what was found in clips with known cuts."""
    hits = wrong = total = clips = 0
    for clip, cuts in cases:
        detector = CutDetector()
        for _ in detector.watch(clip):
            pass
        hits += len(set(cuts) & set(detector.cuts))
        wrong += len(set(detector.cuts) - set(cuts))
        total, clips = total + len(cuts), clips + 1
    print(f"{name:45} {clips:3} clips: {hits:3} of {total:3} cuts found, {wrong:2} false alarms", flush=True)


def uncut(
    clips: list[Clip], change: Callable[[Clip], Iterable[np.ndarray]]
) -> Iterator[tuple[Iterable, list]]:
    """Each clip with a change that is no cut."""
    return ((change(clip), []) for clip in clips)


def cost() -> None:
    """Print the milliseconds a frame at 1080p, of a calm clip and of one in which every pair of frames is unlike."""
    rng = np.random.default_rng(0)
    calm = rng.integers(0, 256, (1080, 1920, 3), np.uint8)
    other = rng.integers(0, 256, (68, 120, 3), np.uint8).repeat(16, 0)[:1080].repeat(16, 1)
    for name, pair in (
        ("calm", (calm, calm.copy())),
        ("all unlike", (other, np.ascontiguousarray(other[::-1]))),
    ):
        times = []
        for _ in CutDetector().watch(pair[n % 2] for n in range(200)):
            times.append(time.thread_time())
        print(f"1080p, {name}: {np.median(np.diff(times)) * 1000:.2f} ms a frame")


def main() -> None:
    """Print it all."""
    cost()
    clips = people()
    pairs = list(zip(clips, clips[1:] + clips[:1], strict=True))
    one_place = people(background=1)
    with VideoReader(SAMPLE) as reader:
        report("the demonstration's sample", [(reader.frames(reader.timeline.source_index), [])])
    report("rendered people", uncut(clips, lambda clip: clip))
    for every in (25, 5, 3, 2):
        report(f"cut each {every} frames", (interleaved(*pair, every) for pair in pairs))
    report(
        "cut each 25, noise 15", ((noisy(c, 15), at) for c, at in (interleaved(*pair, 25) for pair in pairs))
    )
    report(
        "cut each 25, dark (x 0.15)",
        ((lit(c, np.full(50, 0.15)), at) for c, at in (interleaved(*pair, 25) for pair in pairs)),
    )
    report(
        "cut each 25, one backdrop",
        (interleaved(*pair, 25) for pair in pairwise(one_place)),
    )
    for sigma in (5, 15, 30):
        report(f"noise {sigma}", uncut(clips, lambda clip, sigma=sigma: noisy(clip, sigma)))
    for length in (1, 2):
        report(
            f"flash of {length} (x 2.5 + 60)",
            uncut(clips, lambda clip, length=length: lit(clip, flashes(length), 60)),
        )
    for frames in (8, 25, 50):
        fade = np.minimum(np.arange(FRAMES) / frames, 1)
        report(f"fade from black over {frames}", uncut(clips, lambda clip, fade=fade: lit(clip, fade)))
        report(f"fade to black over {frames}", uncut(clips, lambda clip, fade=fade: lit(clip, fade[::-1])))
    for gain in (0.4, 1.6):
        steps = np.where(np.arange(FRAMES) // 10 % 2, gain, 1)
        report(f"lamp switched each 10 (x {gain})", uncut(clips, lambda clip, steps=steps: lit(clip, steps)))
    red_and_blue = [[1.5, 0.6, 0.6] if n // 10 % 2 else [0.6, 0.6, 1.5] for n in range(FRAMES)]
    report("lamp red and blue by turns", uncut(clips, lambda clip: tinted(clip, np.array(red_and_blue))))
    for pixels in (4, 16):
        report(f"camera shakes by {pixels} pixels", uncut(clips, lambda clip, p=pixels: shaken(clip, p)))
    report("zoom in by 3% a frame", uncut(clips, zoomed))
    report("dissolve over 10", ((dissolved(*pair, 10), []) for pair in pairs))
    report("a second left out (a jump cut)", ((np.concatenate([c[:12], c[37:]]), [12]) for c in clips))
    for pixels, hold in ((5, 1), (20, 1), (60, 1), (120, 1), (20, 2), (60, 2), (60, 3)):
        report(
            f"pan {pixels} pixels of 480, held {hold}",
            uncut(clips, lambda clip, p=pixels, h=hold: panned(clip, p, h)),
        )


if __name__ == "__main__":
    main()
