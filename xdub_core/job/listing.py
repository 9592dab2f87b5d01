"""The jobs in a folder and below it: whose they are, how far they are, what they take."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xdub_core.errors import JobError
from xdub_core.job.folder import CLIPS, LOCK, MARKER, Manifest, is_job, read_manifest
from xdub_core.job.lock import is_locked
from xdub_core.job.store import SUFFIX


@dataclass(frozen=True)
class JobState:
    """A job as it stands.

    Attributes:
        path: its folder.
        manifest: what that tells; empty where it is damaged, or of a newer version.
        clips: how many are kept, those of other options and of attempts before included.
        bytes: what the folder takes.
        seconds: since anything was kept in it last.
        running: whether a process is at it.
    """

    path: Path
    manifest: Manifest
    clips: int
    bytes: int
    seconds: float
    running: bool


def find_jobs(folder: Path) -> Iterator[Path]:
    """The jobs' folders in a folder and below it, itself too, in the order of names; links are not followed."""
    if is_job(folder):
        yield folder
        return
    try:
        inside = sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    except OSError:
        return  # one that may not be read
    for each in inside:
        yield from find_jobs(each)


def job_state(path: Path) -> JobState:
    """How a job stands now."""
    size, newest = 0, 0.0
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):  # it may go meanwhile
            found = file.stat()
            size += found.st_size if file.is_file() else 0
            newest = max(newest, found.st_mtime if file.name not in (LOCK, MARKER) else 0)
    try:
        manifest = read_manifest(path)
    except JobError:
        manifest = Manifest()
    clips = sum(1 for _ in (path / CLIPS).glob(f"*{SUFFIX}"))
    return JobState(path, manifest, clips, size, max(0.0, time.time() - newest), is_locked(path / LOCK))
