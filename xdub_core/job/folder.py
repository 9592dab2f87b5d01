"""A job's folder: what it is told by, whose it is, which dubs it keeps work of, and how it is removed."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xdub_core.errors import JobError
from xdub_core.files import write_text_whole
from xdub_core.job.lock import FileLock, is_locked
from xdub_core.job.store import SUFFIX, Store, remove_partial
from xdub_core.media.container.opening import is_there

FORMAT = 1
"""Of the folder: a change that this program's older versions cannot go on from makes it the next number."""
MARKER, MANIFEST, LOCK = "XDUB-JOB", "job.json", "lock"
CLIPS, FACES = "clips", "faces"
_MARKED = "This folder keeps the work of a dub that is not finished; `python -m xdub_core jobs` removes it.\n"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A dub that a job's folder keeps work of.

    Attributes:
        key: a hash of all its options and inputs; see `job.keys`.
        options: the options as they were given.
        inputs: the hash of each input's contents, by its name.
        model: the hash of each of the model's files.
        versions: of the programs that made it.
        clips: how many it has; None before the faces are found.
        redo: the clips that are sampled again in the run that is not finished, as they were asked for.
        sizes: bytes of each finished output by its name, noted before they take their places.
        hidden: the files beside the outputs that become them, while they are written.
        kept: whether it is finished, and kept to be gone on from.
    """

    key: str
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    clips: int | None = None
    redo: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    kept: bool = False


@dataclass(frozen=True)
class Manifest:
    """What a job's folder tells of itself: its runs by their outputs' names, and how often clips were sampled again."""

    runs: Mapping[str, Run] = field(default_factory=dict)
    redone: Mapping[str, int] = field(default_factory=dict)
    format: int = FORMAT


class JobFolder:
    """A job's folder, taken by this process; made by `open_job`. A context manager: leaving it lets it go.

    Attributes:
        path: the folder.
        manifest: what it tells; `note` changes it.
        store: what it keeps.
    """

    def __init__(self, path: Path, lock: FileLock, manifest: Manifest, limit: int | None) -> None:
        self.path = path
        self.manifest = manifest
        self.store = Store(path, limit)
        self._lock = lock

    def __enter__(self) -> JobFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def note(self, output: str, run: Run | None, redone: Mapping[str, int] | None = None) -> None:
        """Note a run of an output (None: it is no more), and how often clips were sampled again."""
        runs = {name: each for name, each in self.manifest.runs.items() if name != output}
        self.manifest = replace(
            self.manifest,
            runs=runs if run is None else {**runs, output: run},
            redone={**self.manifest.redone, **(redone or {})},
        )
        with contextlib.suppress(OSError):  # a full disk, which the store tells of
            write_text_whole(self.path / MANIFEST, json.dumps(asdict(self.manifest), indent=1) + "\n")

    @property
    def keeps_something(self) -> bool:
        """Whether anything is kept in it that a run could go on from."""
        return next(self.path.glob(f"*/*{SUFFIX}"), None) is not None

    def close(self) -> None:
        """Let another process take it; one that keeps nothing goes."""
        self._lock.release()
        if not self.keeps_something and not any(run.kept for run in self.manifest.runs.values()):
            self.remove()

    def remove(self) -> None:
        """Let go of it and remove it, unless another process has taken it meanwhile."""
        self._lock.release()
        try:
            remove_job(self.path)
        except JobError:
            return
        except OSError as error:
            _log.warning(
                "%s is no longer needed, but cannot be removed (%s)", self.path, error.strerror or error
            )


def open_job(path: Path, limit: int | None = None) -> JobFolder:
    """Take a job's folder, or make it. `limit`: bytes that it may take.

    Raises JobError where it is another kind of folder or file, another process has it, a newer version made it, or it
    cannot be made.
    """
    try:
        _begin(path)
        lock = FileLock(path / LOCK)
        mine = lock.acquire()
    except OSError as error:
        raise JobError(
            f"{path}: the job's folder cannot be made ({(error.strerror or str(error)).lower()}); name another with "
            "--job, or add --no-resume"
        ) from error
    if not mine:
        raise JobError(f"{path}: {lock.holder()} is at this job already; wait for it, or end it")
    try:
        manifest = read_manifest(path)
    except BaseException:
        lock.release()
        raise
    remove_partial(path)
    return JobFolder(path, lock, manifest, limit)


def is_job(path: Path) -> bool:
    """Whether a folder is a job's."""
    try:
        return (path / MARKER).is_file()
    except (OSError, ValueError):
        return False


def read_manifest(path: Path, warn: bool = True) -> Manifest:
    """What a job's folder tells; nothing, with a warning (where it shall `warn`), where that is damaged.

    Raises JobError for a newer format.
    """
    file = path / MANIFEST
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        newer = told["format"] > FORMAT
        manifest = Manifest({name: Run(**run) for name, run in told["runs"].items()}, dict(told["redone"]))
    except FileNotFoundError:
        return Manifest()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        newer, manifest = False, Manifest()
        if warn:
            _log.warning("%s is damaged: what it told of the job is lost, what the job keeps is used", file)
    if newer:
        raise JobError(
            f"{path}: a newer version of X-Dub made this job; go on with that, or remove the folder"
        )
    return manifest


def remove_job(path: Path) -> None:
    """Remove a job's folder: what is the job's own in it, and the folder where nothing else is there.

    Raises JobError for a folder that is no job's, or whose job is under way.
    """
    if not is_job(path):
        raise JobError(f"{path} is no job's folder ({MARKER} is missing in it): nothing was removed")
    if is_locked(path / LOCK):
        raise JobError(f"{path}: {FileLock(path / LOCK).holder()} is at this job; end it first")
    for kind in path.iterdir():
        if kind.is_dir() and not kind.is_symlink():
            for file in (*kind.glob(f"*{SUFFIX}"), *kind.glob(f".*{SUFFIX}.*.partial")):
                file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there is something else in it
                kind.rmdir()
    for name in (MANIFEST, f".{MANIFEST}.partial", LOCK):
        (path / name).unlink(missing_ok=True)
    others = [each for each in path.iterdir() if each.name != MARKER]
    (path / MARKER).unlink(missing_ok=True)  # last: while it is there, the rest can be removed
    if not others:
        with contextlib.suppress(OSError):
            path.rmdir()


def _begin(path: Path) -> None:
    """Make the folder, or find that it is a job's. Raises JobError, OSError."""
    if is_job(path):
        return
    if is_there(path) and not path.is_dir():
        raise JobError(f"{path}: a job's folder would be here, but this is a file; name another with --job")
    if path.is_dir() and any(not each.name.startswith(f".{MARKER}") for each in path.iterdir()):
        raise JobError(
            f"{path}: this folder is there already and is no job's: name another with --job, or add --no-resume"
        )
    path.mkdir(parents=True, exist_ok=True)
    write_text_whole(path / MARKER, _MARKED)
