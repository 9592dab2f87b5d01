"""Damaged media files through the command line: what it does with them, and whether it ever fails its user.

    python benchmarks/damaged_media.py                      # 400 files of 12 formats
    python benchmarks/damaged_media.py --first 137 --count 1 --keep DIR    # one case again, its files kept

Every case has a seed. It decides the format, the damage (`mutations.py`), whether the damaged file is the video, the
recording or both, and the output's container. The command line then runs in a process of its own, so that a crash, a
hang or a hunger for memory is seen, and counts. A case has failed where the exit code is neither 0 (a dub was made) nor
2 (refused in one line of error), a traceback is printed, it takes longer than `--seconds`, an input is changed, a file
is left behind, or an output that is there cannot be decoded. Exit code 1 if any has.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from mutations import mutate
from rich.console import Console
from rich.table import Table

WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 10, 25
RATE, SOUND_SECONDS = 48000, 0.5
FORMATS: Mapping[str, tuple[str | None, str | None]] = {
    "mp4": ("libx264", "aac"),
    "mov": ("prores_ks", "pcm_s16le"),
    "mkv": ("libx265", "flac"),
    "webm": ("libvpx-vp9", "libopus"),
    "avi": ("mpeg4", "libmp3lame"),
    "ts": ("mpeg2video", "mp2"),
    "flv": ("flv", "aac"),
    "gif": ("gif", None),
    "wav": (None, "pcm_s16le"),
    "mp3": (None, "libmp3lame"),
    "flac": (None, "flac"),
    "ogg": (None, "libopus"),
}
"""Suffix: codec of the picture, codec of the sound."""
OUTPUTS = (".mp4", ".mkv", ".mov", ".webm")
QUICK = (
    "--model", "untrained", "--box", "8,4,44,40", "--crop-size", "32", "--clip-frames", "13", "--steps", "1",
    "--preset", "ultrafast", "--device", "cpu",
)  # fmt: skip
_PIXELS = {"prores_ks": "yuv422p10le", "gif": "rgb8"}
_SAMPLES = {"aac": "fltp", "libmp3lame": "fltp", "libopus": "flt"}
_OPTIONS = {
    "libx265": {"x265-params": "log-level=none", "preset": "ultrafast"},
    "libvpx-vp9": {"cpu-used": "8"},
}
_BROKEN_OUTPUT = 97
"""Exit code of a case whose command line was content, but whose output cannot be decoded."""


@dataclass(frozen=True)
class Case:
    """What a seed stands for. `role`: what the damaged file is for: "video", "audio" or "both"."""

    seed: int
    suffix: str
    role: str
    out: str

    @property
    def damaged(self) -> str:
        return f"damaged.{self.suffix}"

    @property
    def arguments(self) -> list[str]:
        """Of the command line, in the case's folder."""
        video = "video.mp4" if self.role == "audio" else self.damaged
        audio = "voice.wav" if self.role == "video" else self.damaged
        return ["dub", "--video", video, "--audio", audio, "--out", self.out, *QUICK]


@dataclass(frozen=True)
class Result:
    """What came of a case. `fault`: None, or what was wrong; `code`: the exit code, negative for a signal."""

    case: Case
    code: int | None
    seconds: float
    fault: str | None
    message: str


def make_case(seed: int, suffixes: Sequence[str] = tuple(FORMATS)) -> Case:
    """The seed's case; the formats take turns."""
    rng = random.Random(seed)
    suffix = suffixes[seed % len(suffixes)]
    picture, sound = FORMATS[suffix]
    role = (
        "audio" if picture is None else "video" if sound is None else rng.choice(("video", "audio", "both"))
    )
    return Case(seed, suffix, role, f"out{rng.choice(OUTPUTS)}")


def write_samples(folder: Path) -> None:
    """A small healthy file of every format, `healthy.SUFFIX`, and `video.mp4` and `voice.wav` to go with them."""
    for suffix, (picture, sound) in FORMATS.items():
        write_media(folder / f"healthy.{suffix}", picture, sound)
    shutil.copyfile(folder / "healthy.mp4", folder / "video.mp4")
    shutil.copyfile(folder / "healthy.wav", folder / "voice.wav")


def write_media(path: Path, picture: str | None, sound: str | None) -> None:
    """A file with a moving picture, a sound, or both."""
    with av.open(str(path), "w") as container:
        packets = [*_picture(container, picture)] if picture else []
        tracks = [packets, [*_sound(container, sound)] if sound else []]
        for packet in sorted((p for t in tracks for p in t), key=lambda p: float(p.dts * p.time_base)):
            container.mux(packet)


def _picture(container: av.container.OutputContainer, codec: str) -> Iterator[av.Packet]:
    stream = container.add_stream(codec, rate=FPS, options=dict(_OPTIONS.get(codec, {})))
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, _PIXELS.get(codec, "yuv420p")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(FRAMES):
        pixels = (np.stack([4 * x + 9 * number, 5 * y, 2 * x + 2 * y], axis=-1) % 256).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound(container: av.container.OutputContainer, codec: str) -> Iterator[av.Packet]:
    stream = container.add_stream(codec, rate=RATE)
    stream.codec_context.layout = "mono"
    layout = _SAMPLES.get(codec, "s16")
    time_ = np.arange(round(RATE * SOUND_SECONDS)) / RATE
    wave = 0.4 * np.sin(2 * np.pi * 180 * time_) * np.sin(2 * np.pi * 4 * time_)
    samples = wave.astype(np.float32) if layout.startswith("flt") else (wave * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format=layout, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    if frame_size := stream.codec_context.frame_size:
        fifo = av.AudioFifo()
        fifo.write(frame)
        frames = fifo.read_many(frame_size, partial=True)
    else:
        frames = [frame]
    for piece in frames:
        yield from stream.encode(piece)
    yield from stream.encode(None)


def run_case(case: Case, samples: Path, limit: float, memory: float, keep: Path | None = None) -> Result:
    """Damage the case's file, run the command line on it in a process of its own, and look at what came of it."""
    folder = Path(tempfile.mkdtemp(prefix=f"damaged-{case.seed}-"))
    try:
        result = _run_in(folder, case, samples, limit, memory)
        if keep and result.fault:
            shutil.copytree(folder, keep / str(case.seed), dirs_exist_ok=True)
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, case: Case, samples: Path, limit: float, memory: float) -> Result:
    inputs = {name: (samples / name).read_bytes() for name in ("video.mp4", "voice.wav")}
    healthy = (samples / f"healthy.{case.suffix}").read_bytes()
    inputs[case.damaged] = mutate(healthy, random.Random(case.seed))
    work = folder / "work"
    work.mkdir()
    for name, data in inputs.items():
        (work / name).write_bytes(data)
    log = folder / "log.txt"
    start = time.perf_counter()
    process = _context().Process(target=_dub, args=(case, str(work), str(log), memory))
    process.start()
    process.join(limit)
    hangs = process.is_alive()
    if hangs:
        process.kill()
        process.join()
    seconds = time.perf_counter() - start
    said = log.read_text("utf-8", "replace") if log.exists() else ""
    fault = f"it still ran after {limit:g} s" if hangs else _fault(case, work, inputs, process.exitcode, said)
    told = [line for line in said.splitlines() if line.startswith(("error", "WARNING"))]
    return Result(case, process.exitcode, seconds, fault, " / ".join(told) or (said[-1000:] if fault else ""))


def _fault(case: Case, work: Path, inputs: Mapping[str, bytes], code: int | None, said: str) -> str | None:
    if code == _BROKEN_OUTPUT:
        return "its output cannot be decoded"
    if code not in (0, 2):
        return f"exit code {code}"
    if "Traceback" in said:
        return "a traceback"
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if code == 2 and len(errors) != 1:
        return f"exit code 2 with {len(errors)} lines of error"
    if any((work / name).read_bytes() != data for name, data in inputs.items()):
        return "an input is changed"
    expected = {*inputs, case.out} if code == 0 else set(inputs)
    if odd := {path.name for path in work.iterdir()} ^ expected:
        return f"left behind or missing: {', '.join(sorted(odd))}"
    return None


def _dub(case: Case, work: str, log: str, memory: float) -> None:
    """The process of a case: the command line, and then a look at its output."""
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (ends with the process)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    _limit_memory(memory)
    os.chdir(work)
    sys.argv = ["xdub_core", *case.arguments]

    import torch

    from xdub_core.cli import main

    torch.set_num_threads(1)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    try:
        with av.open(case.out) as output:
            shown = sum(1 for _ in output.decode(video=0))
        with av.open(case.out) as output:
            heard = sum(frame.samples for frame in output.decode(audio=0)) if output.streams.audio else 0
    except (av.FFmpegError, OSError, IndexError) as error:
        print(f"output: {error}")
        sys.exit(_BROKEN_OUTPUT)
    if not shown:
        print(f"output: {shown} frames, {heard} samples")
        sys.exit(_BROKEN_OUTPUT)


def _limit_memory(gigabytes: float) -> None:
    """Let an allocation beyond it fail, where the system can (Linux)."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (round(gigabytes * 1e9),) * 2)


def _context() -> multiprocessing.context.BaseContext:
    """New processes that have imported everything already, where the system can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["av", "xdub_core.cli.app"])
    return context


def run_cases(
    seeds: Sequence[int],
    workers: int = 2,
    limit: float = 60.0,
    memory: float = 8.0,
    keep: Path | None = None,
    suffixes: Sequence[str] = tuple(FORMATS),
) -> Iterator[Result]:
    """The results of the seeds' cases, in their order."""
    with tempfile.TemporaryDirectory(prefix="damaged-samples-") as name, ThreadPoolExecutor(workers) as pool:
        write_samples(Path(name))
        cases = [make_case(seed, suffixes) for seed in seeds]
        run = partial(run_case, samples=Path(name), limit=limit, memory=memory, keep=keep)
        yield from pool.map(run, cases)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=400, help="how many seeds")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--seconds", type=float, default=60.0, help="a case that takes longer hangs")
    parser.add_argument("--memory", type=float, default=8.0, help="GB of addresses that a case may take")
    parser.add_argument("--keep", type=Path, help="a folder for the files of the cases that fail")
    parser.add_argument("--verbose", action="store_true", help="a line for every case")
    args = parser.parse_args()
    console = Console(highlight=False, markup=False)
    seeds = range(args.first, args.first + args.count)
    results = []
    for result in run_cases(seeds, args.workers, args.seconds, args.memory, args.keep, args.formats):
        results.append(result)
        if args.verbose or result.fault:
            case = result.case
            verdict = f"FAILED: {result.fault}" if result.fault else "ok"
            console.print(
                f"seed {case.seed} {case.suffix} as {case.role} -> {case.out}: {verdict}, exit code {result.code}, "
                f"{result.seconds:.1f} s {result.message}",
                soft_wrap=True,
            )
    console.print(_table(results))
    failed = sum(result.fault is not None for result in results)
    console.print(f"seeds {seeds.start} to {seeds.stop - 1}: {failed} of {len(results)} failed")
    sys.exit(1 if failed else 0)


def _table(results: Sequence[Result]) -> Table:
    table = Table("format", "cases", "dubbed", "refused", "failed", "longest, s")
    for suffix in FORMATS:
        own = [result for result in results if result.case.suffix == suffix]
        if own:
            count = Counter("failed" if r.fault else "dubbed" if r.code == 0 else "refused" for r in own)
            counts = (str(count[what]) for what in ("dubbed", "refused", "failed"))
            table.add_row(suffix, str(len(own)), *counts, f"{max(r.seconds for r in own):.1f}")
    return table


if __name__ == "__main__":
    main()
