"""Peak memory of `dub` from one minute to an hour, of one person and of two: it must not grow with the length.

    python benchmarks/memory_over_time.py                             # 1, 10 and 60 minutes; some 2 hours on 2 cores
    python benchmarks/memory_over_time.py --minutes 1 10 --people 1   # some minutes
    python benchmarks/memory_over_time.py --minutes 1 10 --rate 30000/1001

Makes a video of rendered heads that speak, and a recording for each of them, and dubs them with the built-in model on
the command line in a process of its own, whose peak resident memory the system tells. Small pictures and crops, long
clips and a single step keep an hour bearable: what is kept of every frame is the same as in a large dub. Nothing of it
is good to look at.

A corner of the video flashes a second into every minute and half a minute before the end, and the first recording
clicks there. "apart" is how far the output's last flash and last click are from each other. "CPU s" is the processor
time of the dub, which another load on the machine does not change.

Exit code 1 when the longest dub of as many people needs over 10% more memory than the shortest, or a flash and its
click are over 20 ms apart.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.heads.crowd import Actor, Place, render_crowd
from xdub_core.heads.drawn_head import make_voice
from xdub_core.heads.performance import make_performance
from xdub_core.heads.person import make_person
from xdub_core.heads.visemes import PhonemeInterval, mouth_track
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.writer import VideoWriter

GROWTH_ALLOWED = 0.10
APART_ALLOWED = 0.020
HEIGHT = 96
LOOP = 250
"""Frames that are rendered; they are played to and fro."""
VOICE = 10.0
"""Seconds of voice that are made; they are played again and again."""
LIGHT = 8
"""Side of the corner that flashes, in pixels."""
OPTIONS = (
    "--steps",
    "1",
    "--crop-size",
    "32",
    "--clip-frames",
    "77",
    "--detect-every",
    "8",
    "--preset",
    "ultrafast",
)


def heads(people: int) -> list[np.ndarray]:
    """`LOOP` frames of so many people beside each other, uint8 [96, 128 people, 3] each."""
    said = [
        PhonemeInterval(0.2 * i, 0.2 * i + 0.2, name) for i, name in enumerate(("a", "p", "i", "o", "m") * 10)
    ]
    actors = []
    for number in range(people):
        middle = Place(128 * number + 64, 0.47 * HEIGHT, 0.56 * HEIGHT)
        performance = make_performance(
            make_person(1_000_006 + number), mouth_track(said, LOOP), seed=4 + number, hard=0.0
        )
        actors.append(Actor(performance, lambda _frame, middle=middle: middle))
    return [picture.image for picture in render_crowd(actors, 0, LOOP, 128 * people, HEIGHT)]


def signals(minutes: float) -> list[float]:
    """Seconds at which there is a flash and a click."""
    return [60.0 * minute + 1 for minute in range(int(minutes))] + [60 * minutes - 30]


def make_video(path: Path, minutes: float, people: int, rate: Fraction) -> None:
    """A video of that length, with flashes."""
    loop = heads(people)
    bright = {round(second * rate) for second in signals(minutes)}
    with VideoWriter(path, 128 * people, HEIGHT, rate, EncodeSettings(preset="ultrafast")) as writer:
        for frame in range(round(60 * minutes * rate)):
            place = frame % (2 * LOOP)
            picture = loop[min(place, 2 * LOOP - 1 - place)].copy()
            picture[:LIGHT, :LIGHT] = 255 if frame in bright else 0
            writer.write(picture)


def make_recording(path: Path, minutes: float, rate: Fraction, clicks: bool) -> None:
    """A buzz in syllables, with clicks where the video flashes, WAV."""
    voice = 0.2 * make_voice(VOICE)
    at = [round(round(second * rate) / rate * SAMPLE_RATE) for second in signals(minutes)] if clicks else []
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        for start in range(0, round(60 * minutes * SAMPLE_RATE), len(voice)):
            part = voice.copy()
            for click in at:
                if start <= click < start + len(part):
                    part[click - start :][:40] = 0.95
            file.writeframes((part * 32767).astype("<i2").tobytes())


def dub(folder: Path, minutes: float, people: int, rate: Fraction) -> tuple[float, float, float]:
    """Peak resident megabytes, processor seconds, and how far flash and click are apart at the end; in `folder`."""
    video, out = folder / "heads.mp4", folder / "out.mp4"
    make_video(video, minutes, people, rate)
    command = [
        sys.executable,
        "-m",
        "xdub_core",
        "dub",
        "--model",
        "mini",
        "--video",
        video,
        "--out",
        out,
        *OPTIONS,
    ]
    recordings = [folder / f"voice{number}.wav" for number in range(1, people + 1)]
    for number, recording in enumerate(recordings, 1):
        make_recording(recording, minutes, rate, clicks=number == 1)
    if people == 1:
        command += ["--audio", recordings[0]]
    else:
        for number, recording in enumerate(recordings, 1):
            command += ["--voice", f"{number}={recording}"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), stderr=log, stdout=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the dub of {minutes:g} minutes failed: {(folder / 'log.txt').read_text()[-500:]}")
    peak = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1) / 1000
    return peak, usage.ru_utime + usage.ru_stime, apart(out, signals(minutes)[-1] - 5)


def apart(path: Path, start: float) -> float:
    """Seconds from the last flash to the last click after second `start`; positive: the click is late."""
    with av.open(str(path)) as file:
        lit = [float(frame.time) for frame in _from(file, "video", start) if _is_lit(frame)]
    with av.open(str(path)) as file:
        clicks = [
            float(frame.time) + int(np.argmax(loud)) / frame.sample_rate
            for frame in _from(file, "audio", start)
            if (loud := np.abs(_sound(frame)) > 0.6).any()
        ]
    if not lit or not clicks:
        sys.exit(f"{path}: {len(lit)} flashes and {len(clicks)} clicks after second {start:g}")
    return clicks[0] - lit[0]


def _from(
    file: av.container.InputContainer, kind: str, start: float
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    stream = next(stream for stream in file.streams if stream.type == kind)
    file.seek(int(max(0.0, start - 5) / stream.time_base), stream=stream)
    return (frame for frame in file.decode(stream) if frame.time is not None and frame.time >= start)


def _is_lit(frame: av.VideoFrame) -> bool:
    return bool(frame.to_ndarray(format="gray")[: LIGHT // 2, : LIGHT // 2].mean() > 160)


def _sound(frame: av.AudioFrame) -> np.ndarray:
    samples = frame.to_ndarray().reshape(len(frame.layout.channels), -1)[0]
    return samples / np.iinfo(samples.dtype).max if samples.dtype.kind == "i" else samples


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0, 60.0], help="each a run")
    parser.add_argument("--people", type=int, nargs="+", choices=(1, 2, 3), default=[1, 2], help="each a run")
    parser.add_argument("--rate", type=Fraction, default=Fraction(25), help="frames a second of the video")
    parser.add_argument("--folder", type=Path, help="where the files go (they need some 100 MB an hour)")
    options = parser.parse_args()
    table, wrong = Table(title=f"dub, built-in model, {options.rate} fps", title_justify="left"), False
    for column in ("people", "minutes", "peak MB", "CPU s", "ms a frame", "apart, ms"):
        table.add_column(column, justify="right")
    for people in options.people:
        peaks = []
        for minutes in sorted(options.minutes):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                peak, seconds, off = dub(Path(folder), minutes, people, options.rate)
            each = 1000 * seconds / (60 * minutes * options.rate)
            row = (
                f"{people}",
                f"{minutes:g}",
                f"{peak:.0f}",
                f"{seconds:.0f}",
                f"{each:.1f}",
                f"{1000 * off:+.1f}",
            )
            table.add_row(*row)
            print(" ".join(row), file=sys.stderr, flush=True)
            peaks.append(peak)
            wrong |= abs(off) > APART_ALLOWED
        wrong |= peaks[-1] > (1 + GROWTH_ALLOWED) * peaks[0]
    Console().print(table)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
