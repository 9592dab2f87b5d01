"""Peak memory of `dub` for a short and a long input: it must not grow with the length.

    python benchmarks/dub_memory.py --minutes 1 10
    python benchmarks/dub_memory.py --minutes 1 10 --landmarks

Makes a video and a recording of each length, dubs it with the untrained model on the command line in a process of its
own, and reads that process's peak resident memory from the system. Exit code 1 when the longest needs over 10% more
than the shortest; with `--landmarks` besides what tracking needs of every frame, which is the one thing that grows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.heads.drawn_head import HEIGHT, SAMPLE_BOX, WIDTH, draw_head, make_voice
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.timeline import MODEL_FPS

GROWTH_ALLOWED = 0.10
TRACK_MB_PER_FRAME = 0.008
"""The landmarks as they are given, and as they are smoothed."""


def make_input(folder: Path, minutes: float, video_minutes: float) -> tuple[Path, Path]:
    """A video of a nodding head, and a recording, of the lengths given."""
    video, audio = folder / "head.mp4", folder / "voice.wav"
    with VideoWriter(video, WIDTH, HEIGHT, MODEL_FPS) as writer:
        for frame in range(round(video_minutes * 60 * MODEL_FPS)):
            writer.write(draw_head(frame / MODEL_FPS))
    second = (make_voice(10.0) * 32767).astype("<i2").tobytes()
    with wave.open(str(audio), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        for _ in range(round(minutes * 6)):
            file.writeframes(second)
    return video, audio


def make_landmarks(folder: Path, video_minutes: float) -> Path:
    """68 points of a face that sways in the sample's box, for every frame of the video."""
    path, (x0, y0, x1, y1) = folder / "landmarks.npy", SAMPLE_BOX
    pattern = np.random.default_rng(0).uniform(-0.25, 0.25, (68, 2)) * (x1 - x0, y1 - y0)
    seconds = np.arange(round(video_minutes * 60 * MODEL_FPS)) / MODEL_FPS
    centers = np.stack(
        [(x0 + x1) / 2 + 0.1 * (x1 - x0) * np.sin(seconds), np.full(len(seconds), (y0 + y1) / 2)], 1
    )
    np.save(path, centers[:, None] + pattern)
    return path


def measure(
    folder: Path, minutes: float, video_minutes: float, options: list[str], landmarks: bool = False
) -> tuple[float, float]:
    """Peak resident megabytes and seconds of a dub of `minutes`, whose face is given as a box or as landmarks."""
    video, audio = make_input(folder, minutes, video_minutes)
    command = [sys.executable, "-m", "xdub_core", "dub", "--video", video, "--audio", audio]
    command += ["--out", folder / "out.mp4", "--model", "untrained"]
    if landmarks:
        command += ["--landmarks", make_landmarks(folder, video_minutes)]
    else:
        command += ["--box", ",".join(map(str, SAMPLE_BOX))]
    start = time.perf_counter()
    process = subprocess.Popen([*map(str, command), *options], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the dub of {minutes} minutes failed")
    peak = usage.ru_maxrss / (1 if sys.platform != "darwin" else 1024) / 1000
    return peak, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0], help="of speech, each a run")
    parser.add_argument("--ping-pong", action="store_true", help="a video of 30 seconds, played to and fro")
    parser.add_argument("--landmarks", action="store_true", help="the face as landmarks, which are smoothed")
    parser.add_argument("--crop-size", default="128", help="smaller than the real 512, to be done today")
    parser.add_argument("--steps", default="1")
    arguments = parser.parse_args()
    options = ["--crop-size", arguments.crop_size, "--steps", arguments.steps, "--preset", "ultrafast"]
    table = Table(title="dub, untrained model", title_justify="left")
    for column in ("minutes", "peak MB", "seconds"):
        table.add_column(column, justify="right")
    peaks = []
    for minutes in sorted(arguments.minutes):
        with tempfile.TemporaryDirectory() as folder:
            video_minutes = 0.5 if arguments.ping_pong else minutes
            peak, seconds = measure(Path(folder), minutes, video_minutes, options, arguments.landmarks)
        table.add_row(f"{minutes:g}", f"{peak:.0f}", f"{seconds:.0f}")
        peaks.append(peak)
    growth, allowed = peaks[-1] - peaks[0], GROWTH_ALLOWED * peaks[0]
    if arguments.landmarks and not arguments.ping_pong:
        allowed += TRACK_MB_PER_FRAME * 60 * MODEL_FPS * (max(arguments.minutes) - min(arguments.minutes))
    Console().print(table, f"growth: {growth:+.0f} MB (allowed: {allowed:.0f} MB)")
    sys.exit(growth > allowed)


if __name__ == "__main__":
    main()
