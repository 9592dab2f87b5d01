"""How surely are rendered heads told from all else? And where the built-in judge comes from.

    python benchmarks/head_likeness.py                                  # held-out heads, drawn non-heads
    python benchmarks/head_likeness.py --files video.mp4 FOLDER ...     # and these videos and pictures
    python benchmarks/head_likeness.py --fit likeness.safetensors --people 120 --files FOLDER ...

A row a kind: scores (logits) of `xdub_core.mini.likeness`, and the share below its threshold, about which `dub` warns:
for rendered heads that is the false alarms, for everything else what is found. Every clip is also scored changed:
compressed, grainy, darker, brighter, blurred, halved, mirrored. Crops are cut as `dub` cuts them, where the mini's
detector finds a face; a clip in which it finds none is counted, not scored: `dub` stops at it with an error.

`--fit` draws people of the training split instead, and fits the direction that tells them from the files and the
drawn non-heads. espeak-ng is needed for the heads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save_file

from xdub_core.errors import FaceError
from xdub_core.face.boxes import FixedBox
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import track_faces
from xdub_core.heads.dataset import HeadsConfig, TalkingHeads
from xdub_core.heads.drawn_head import SAMPLE_BOX, draw_head
from xdub_core.heads.performance import CropCamera, SceneCamera, render
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.likeness import THRESHOLD, load_likeness
from xdub_core.mini.loading import Mini, load_mini

FRAMES = 4
SCENES = (
    (480, 360, 0.52), (320, 240, 0.6), (240, 320, 0.6), (480, 480, 0.6), (160, 120, 0.7), (960, 540, 0.8),
    (640, 480, 0.7), None,
)  # fmt: skip
"""Width, height and the head's share; None: the standard crop itself."""
LARGEST = 640
CHANGES = ("plain", "compressed", "grainy", "dark", "bright", "blurred", "halved", "mirrored")
PENALTY = 1e-3


@dataclass(frozen=True, eq=False)
class Clip:
    """A few frames uint8 [h, w, 3], and where the face is said to be (None: to be found)."""

    kind: str
    name: str
    frames: list[np.ndarray]
    box: tuple[float, ...] | None = None


def rendered_heads(split: str, count: int) -> Iterator[Clip]:
    """People of a split in scenes of all sizes; moving lights, occluders and turns come often."""
    heads = TalkingHeads(split, length=count, config=HeadsConfig(hard=0.5))
    for number in range(count):
        scene = SCENES[number % len(SCENES)]
        camera = CropCamera() if scene is None else SceneCamera(*scene)
        performance, times = heads.performance(number), np.linspace(10, 70, FRAMES).astype(int)
        frames = [render(performance, int(at), int(at) + 1, camera).frames[0] for at in times]
        yield Clip(f"rendered heads, {split}", f"{split} {number}", frames)


def files(paths: Iterable[Path]) -> Iterator[Clip]:
    """Videos and pictures: whole, and two squares of each."""
    rng = np.random.default_rng(0)
    for path in paths:
        found = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in found:
            if (frames := _read(file)) is None:
                continue
            yield Clip(path.name, file.name, frames)
            height, width = frames[0].shape[:2]
            for _ in range(2):
                side = int(min(height, width) * rng.uniform(0.5, 0.95))
                x, y = rng.integers(0, width - side + 1), rng.integers(0, (height - side) // 2 + 1)
                yield Clip(
                    path.name,
                    file.name,
                    [np.ascontiguousarray(f[y : y + side, x : x + side]) for f in frames],
                )


def drawn(seed: int, count: int = 12) -> Iterator[Clip]:
    """No heads at all: noise, clouds, gradients and shapes, with a box."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:240, :320]
    for number in range(count):
        noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        clouds = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), rng.uniform(2, 20))
        clouds = ((clouds - clouds.min()) / np.ptp(clouds) * 255).astype(np.uint8)
        slopes = rng.uniform(0, 1, (3, 2))
        ramps = np.stack([(x * a + y * b) % 256 for a, b in slopes], axis=-1).astype(np.uint8)
        shapes = np.ascontiguousarray(ramps)
        for _ in range(8):
            centre, axes = rng.integers((320, 240)).tolist(), rng.integers(10, 90, 2).tolist()
            color = rng.integers(0, 256, 3).tolist()
            cv2.ellipse(shapes, centre, axes, float(rng.uniform(0, 180)), 0, 360, color, cv2.FILLED)
        for kind, frame in (("noise", noise), ("clouds", clouds), ("ramps", ramps), ("shapes", shapes)):
            yield Clip("drawn, no heads", f"{kind} {number}", [frame], (80.0, 40.0, 240.0, 200.0))


def cartoon() -> Iterator[Clip]:
    """The drawn head of `xdub_core.heads.drawn_head`: flat ellipses."""
    frames = [draw_head(second) for second in (0.0, 0.7, 1.9, 3.1)]
    yield Clip("drawn head of the sample", "sample", frames, tuple(map(float, SAMPLE_BOX)))


def changed(clip: Clip, names: Iterable[str]) -> Iterator[Clip]:
    """The clip under the changes named."""
    rng = np.random.default_rng(0)
    for name in names:
        box, frames = clip.box, [_change(frame, name, rng) for frame in clip.frames]
        if box is not None and name == "halved":
            box = tuple(edge / 2 for edge in box)
        yield Clip(clip.kind, f"{clip.name}, {name}", frames, box)


def _change(frame: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    height, width = frame.shape[:2]
    if name == "compressed":
        return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    if name == "grainy":
        return np.clip(frame + rng.normal(0, 6, frame.shape), 0, 255).astype(np.uint8)
    if name == "dark":
        return (frame * 0.6).astype(np.uint8)
    if name == "bright":
        return np.clip(frame * 1.3 + 10, 0, 255).astype(np.uint8)
    if name == "blurred":
        return cv2.GaussianBlur(frame, (0, 0), 1.2 * max(1, height / 360))
    if name == "halved":
        return cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(frame[:, ::-1]) if name == "mirrored" else frame


def _read(path: Path) -> list[np.ndarray] | None:
    """A few frames of a video, or the picture, no larger than `LARGEST`; None for anything else."""
    try:
        with av.open(str(path)) as file:
            shown = [
                frame.to_ndarray(format="rgb24")
                for _, frame in zip(range(200), file.decode(video=0), strict=False)
            ]
    except (av.FFmpegError, IndexError, OSError):
        return None
    if not shown:
        return None
    chosen = np.unique(np.linspace(0, len(shown) - 1, FRAMES).round().astype(int))
    scale = min(1.0, LARGEST / max(shown[0].shape[:2]))
    return [
        cv2.resize(shown[number], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if scale < 1
        else shown[number]
        for number in chosen
    ]


def crops_of(clip: Clip, mini: Mini) -> np.ndarray | None:
    """The crops that `dub` would give the model, uint8 [n, size, size, 3]; None where no face is found."""
    detector = mini.detector if clip.box is None else FixedBox(np.array(clip.box))
    try:
        track = track_faces(iter(clip.frames), detector)
    except FaceError:
        return None
    cut = [
        crop_frame(frame, box, mini.card.crop)
        for frame, box, there in zip(clip.frames, track.boxes, track.present, strict=True)
        if there
    ]
    return (np.stack(cut) * 255).round().astype(np.uint8)


def fit(features: Sequence[np.ndarray], rendered: Sequence[bool]) -> tuple[np.ndarray, float]:
    """Logistic regression with a penalty: both kinds count alike, and so do all clips of a kind."""
    x = torch.from_numpy(np.concatenate(features)).double()
    y = torch.tensor([label for seen, label in zip(features, rendered, strict=True) for _ in seen])
    share = torch.tensor([1 / len(seen) for seen in features for _ in seen], dtype=torch.double)
    share[y] /= share[y].sum()
    share[~y] /= share[~y].sum()
    mean, scale = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / scale
    weights = torch.zeros(x.shape[1] + 1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (x @ weights[:-1] + weights[-1]) * torch.where(y, 1.0, -1.0)
        value = (torch.nn.functional.softplus(-logits) * share).sum() / 2 + PENALTY * weights[
            :-1
        ].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    direction = weights.detach()[:-1] / scale
    return direction.float().numpy(), float(weights.detach()[-1] - direction @ mean)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=40, help="rendered people")
    parser.add_argument(
        "--files", type=Path, nargs="*", default=[], help="videos, pictures or folders of them"
    )
    parser.add_argument("--fit", type=Path, metavar="FILE", help="fit the judge anew and write it")
    parser.add_argument("--verbose", action="store_true", help="a line for every clip")
    args = parser.parse_args()
    torch.set_num_threads(1)
    console, mini = Console(highlight=False, soft_wrap=True, width=120), load_mini(BUILT_IN)
    heads = rendered_heads("train" if args.fit else "held-out", args.people)
    others = [*files(args.files), *drawn(0 if args.fit else 1)]
    if args.fit:
        _fit_and_save(mini, list(heads), others, args.fit)
        return
    _report(console, mini, [*heads, *others, *cartoon()], args.verbose)


def _fit_and_save(mini: Mini, heads: Sequence[Clip], others: Sequence[Clip], path: Path) -> None:
    rng = np.random.default_rng(0)
    features, labels = [], []
    for clip, rendered in [*((clip, True) for clip in heads), *((clip, False) for clip in others)]:
        for version in changed(clip, ["plain", *rng.choice(CHANGES[1:], 2, replace=False)]):
            if (crops := crops_of(version, mini)) is not None:
                features.append(mini.detector.finder.features(list(crops)))
                labels.append(rendered)
    weights, bias = fit(features, labels)
    save_file({"weights": weights, "bias": np.array([bias], np.float32)}, path)


def _report(console: Console, mini: Mini, clips: Sequence[Clip], verbose: bool) -> None:
    judge = load_likeness(BUILT_IN)
    scores: dict[str, list[float]] = {}
    absent: dict[str, int] = {}
    for clip in clips:
        for version in changed(clip, CHANGES):
            crops = crops_of(version, mini)
            if crops is None:
                absent[clip.kind] = absent.get(clip.kind, 0) + 1
                continue
            scores.setdefault(clip.kind, []).append(judge(list(crops)).score)
            if verbose:
                console.print(f"{scores[clip.kind][-1]:8.2f}  {version.kind}: {version.name}")
    table = Table(
        "clips, each in 8 versions", "scored", "no face", "least", "2%", "middle", "98%", "most", "warned of"
    )
    for kind, values in scores.items():
        quantiles = (f"{value:.1f}" for value in np.quantile(values, [0, 0.02, 0.5, 0.98, 1]))
        warned = f"{np.mean(np.array(values) < THRESHOLD):.1%}"
        table.add_row(kind, str(len(values)), str(absent.get(kind, 0)), *quantiles, warned)
    console.print(table)


if __name__ == "__main__":
    main()
