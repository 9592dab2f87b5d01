"""A dub that is killed again and again at random instants: is its output the same, and how much is done twice?

    python benchmarks/kill_resume.py                # 20 kills
    python benchmarks/kill_resume.py --kills 5 --seed 1

The built-in model dubs its sample, once mirrored so that there is a cut, in a process of its own, which is killed with
SIGKILL (Windows: terminated) and started again by the same command. Each row is a kill: when it came (every other one
is counted from when the program begins to work, since starting it takes long), at which stage, and how many clips were
kept by then. When a dub is done before its kill comes, its output is compared, and the next one begins. In the end the
clips that were begun to be sampled are counted over all dubs.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xdub_core.cli.demo import SAMPLE
from xdub_core.job.folder import CLIPS
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.video.reader import VideoReader

ROOT = Path(__file__).resolve().parent.parent
SHOTS = (26, 40)
"""Frames of the sample before the cut, and mirrored after it."""

# The dub as the command line makes it; each clip that begins to be sampled is a line in a file.
_PROGRAM = """
import sys
from pathlib import Path
log = Path(sys.argv.pop(1))
from xdub_core.sampling import clip_sampling
real = clip_sampling.sample_clip
def counted(*args, **options):
    with log.open("a") as file:
        file.write("clip\\n")
    return real(*args, **options)
clip_sampling.sample_clip = counted
from xdub_core.cli import main
main()
"""


@dataclass(frozen=True)
class Kill:
    """When a dub was killed, and what it had done."""

    seconds: float
    stage: str
    clips: int


class Dub:
    """The dub that is killed; its log counts the clips that were begun."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.out = folder / "out.mp4"
        self.job = folder / "out.mp4.xdub"
        self._log, self._folder, self._steps = folder / "clips.log", folder, steps
        _cut_video(folder / "video.mp4")

    @property
    def begun(self) -> int:
        """Clips that were begun to be sampled."""
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0

    @property
    def kept(self) -> int:
        """Clips that the job keeps."""
        return len(list((self.job / CLIPS).glob("*.safetensors")))

    def start(self, *more: str, out: Path | None = None) -> subprocess.Popen[bytes]:
        """Start the command."""
        paths = {
            "--video": self._folder / "video.mp4",
            "--audio": SAMPLE / "recording.wav",
            "--out": out or self.out,
        }
        arguments = [text for option, path in paths.items() for text in (option, str(path))]
        settings = ("--model", "mini", "--steps", str(self._steps), "--length", "shortest", *more)
        command = [sys.executable, "-c", _PROGRAM, str(self._log), "dub", *arguments, *settings]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def whole(self, *more: str, out: Path) -> tuple[bytes, float, float]:
        """The bytes of an uninterrupted dub, its seconds, and those of them in which it worked."""
        begun = time.monotonic()
        process = self.start(*more, out=out)
        wait_for_work(process)
        at_work = time.monotonic()
        _, told = process.communicate()
        if process.returncode:
            sys.exit(told.decode(errors="replace"))
        return out.read_bytes(), time.monotonic() - begun, time.monotonic() - at_work

    def stage(self) -> str:
        """How far a killed dub was."""
        if not self.job.exists():
            return "finished" if self.out.exists() else "before the job"
        if not list((self.job / "faces").glob("*.safetensors")):
            return "faces"
        return "listening" if not self.kept else "clips" if not self.out.exists() else "output in place"


def wait_for_work(process: subprocess.Popen[bytes]) -> None:
    """Until the program tells anything."""
    assert process.stderr is not None
    process.stderr.read(1)


def main() -> None:
    """Parse the arguments, kill, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dub = Dub(Path(folder), args.steps)
        expected, seconds, working = dub.whole("--no-resume", out=Path(folder) / "whole.mp4")
        clips = sampled_before = dub.begun
        print(f"one dub: {clips} clips, {seconds:.1f} s, of which it worked {working:.1f} s", flush=True)
        times = (seconds, working)
        kills, outputs, same = _kill(dub, args.kills, times, random.Random(args.seed), expected)
        sampled = dub.begun - sampled_before
        left = sorted(path.name for path in Path(folder).iterdir())
    print(f"{'kill':>4}  {'after':>7}  {'stage':<15}  clips kept")
    for number, kill in enumerate(kills, 1):
        print(f"{number:>4}  {kill.seconds:>5.1f} s  {kill.stage:<15}  {kill.clips:>3} of {clips}")
    most = clips * outputs + len(kills)
    print(f"{outputs} outputs, {same} of them the same bytes as the uninterrupted one")
    print(
        f"{sampled} clips begun for {clips * outputs} needed and {len(kills)} kills: at most {most} are right"
    )
    print(
        f"left behind: {', '.join(name for name in left if name not in ('video.mp4', 'clips.log', 'whole.mp4'))}"
    )
    if (
        same < outputs
        or sampled > most
        or any(name.startswith(".") or name.endswith(".xdub") for name in left)
    ):
        sys.exit(1)


def _kill(
    dub: Dub, wanted: int, times: tuple[float, float], chance: random.Random, expected: bytes
) -> tuple[list[Kill], int, int]:
    """The kills, the dubs that were finished between and after them, and how many of those had the expected bytes."""
    kills: list[Kill] = []
    outputs = same = 0
    while True:
        last = len(kills) == wanted
        at_work = len(kills) % 2
        after = None if last else chance.uniform(0, times[at_work])
        process = dub.start()
        if at_work:
            wait_for_work(process)
        try:
            _, told = process.communicate(timeout=after)
            if process.returncode:
                sys.exit(told.decode(errors="replace"))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills.append(Kill(after or 0, dub.stage(), dub.kept))
            if dub.job.exists() or not dub.out.exists():
                continue  # else all was done, and the program only had to end
        outputs, same = outputs + 1, same + (dub.out.read_bytes() == expected)
        if last:
            return kills, outputs, same
        dub.out.unlink()


def _cut_video(path: Path) -> None:
    """The sample, a cut, and the sample again, mirrored."""
    with VideoReader(SAMPLE / "source.mp4") as reader:
        frames = list(reader.frames(reader.timeline.source_index))
        with VideoWriter(path, reader.info.width, reader.info.height, 25) as writer:
            for frame in (*frames[: SHOTS[0]], *(frame[:, ::-1].copy() for frame in frames[: SHOTS[1]])):
                writer.write(frame)


if __name__ == "__main__":
    main()
