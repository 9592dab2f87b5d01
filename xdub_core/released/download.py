"""Getting the released files from the Hugging Face Hub, when told to. Unfinished downloads are resumed.

The repository is asked first what it holds, so that the sizes are exact before anything is fetched, and files are
found by name wherever the release keeps them.
"""

import errno
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdub_core.errors import MissingModelError, XDubError
from xdub_core.released.manifest import (
    FILES,
    REPOSITORY,
    FileStatus,
    ReleasedFile,
    download_command,
    find_files,
    human_size,
)

HUB_COMMAND = 'pip install "huggingface_hub>=0.30"'

# Left free on the disk, beside the files.
_SPARE_BYTES = 500_000_000


class DownloadError(XDubError):
    """The released files cannot be downloaded."""


@dataclass(frozen=True)
class DownloadPlan:
    """What a download would fetch into `folder`. `size_bytes` is approximate until the repository is asked."""

    folder: Path
    files: tuple[ReleasedFile, ...]
    size_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.size_bytes + _SPARE_BYTES <= self.free_bytes


def plan_download(models_dir: Path, files: Iterable[ReleasedFile] = FILES) -> DownloadPlan:
    """What of `files` is missing or broken in `models_dir`, its size, and the room there is. Touches nothing."""
    wanted = tuple(status.file for status in find_files(models_dir, files) if not status.usable)
    size = sum(file.size_bytes for file in wanted)
    return DownloadPlan(models_dir, wanted, size, free_bytes(models_dir))


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that `folder` is on, or would be on."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def check_disk_space(plan: DownloadPlan) -> None:
    """Raise DownloadError unless the plan fits on the disk."""
    if not plan.fits:
        raise DownloadError(
            f"{plan.folder} has {human_size(plan.free_bytes)} free, but the download needs "
            f"{human_size(plan.size_bytes + _SPARE_BYTES)}: make room, or choose another folder with --models-dir"
        )


def download(
    models_dir: Path,
    files: Iterable[ReleasedFile] = FILES,
    *,
    endpoint: str | None = None,
    tqdm_class: Any = None,
) -> list[FileStatus]:
    """Fetch whatever of `files` is missing or broken into `models_dir`; returns what is there afterwards.

    Progress is huggingface_hub's own, or `tqdm_class`'s; `endpoint` names another hub (a mirror). Raises
    MissingModelError without huggingface_hub, DownloadError for anything that goes wrong: no network, no such
    repository or file, no access, no room. Interrupting keeps what has arrived; the next call goes on from there.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingModelError(f"downloading needs huggingface_hub: `{HUB_COMMAND}`") from error
    files = tuple(files)
    plan = plan_download(models_dir, files)
    if not plan.files:
        return find_files(models_dir, files)
    try:
        info = huggingface_hub.HfApi(endpoint=endpoint).model_info(REPOSITORY, files_metadata=True)
        sizes = {entry.rfilename: entry.size or 0 for entry in info.siblings or ()}
        paths = [path for file in plan.files for path in _repository_paths(file, sizes)]
        check_disk_space(
            DownloadPlan(models_dir, plan.files, sum(sizes[path] for path in paths), plan.free_bytes)
        )
        models_dir.mkdir(parents=True, exist_ok=True)
        huggingface_hub.snapshot_download(
            REPOSITORY,
            revision=info.sha,
            local_dir=models_dir,
            allow_patterns=paths,
            endpoint=endpoint,
            tqdm_class=tqdm_class,
        )
    except XDubError:
        raise
    except Exception as error:  # the errors of the hub, of httpx or requests, and of the disk share no base
        raise _explained(error, models_dir) from error
    return _checked(models_dir, files)


def _repository_paths(file: ReleasedFile, paths: Iterable[str]) -> list[str]:
    """The repository's paths of one released file; raises DownloadError where it holds none."""
    paths = sorted(paths, key=lambda path: (path.count("/"), path))
    found = []
    for member in file.members or ("",):
        names = [f"{file.name}/{name}" if name else file.name for name in member.split("|")]
        matches = [path for name in names for path in paths if path == name or path.endswith("/" + name)]
        if not matches:
            raise DownloadError(
                f"the repository {REPOSITORY} does not hold {' or '.join(names)}: "
                "the release has changed; see its page for where the file is now"
            )
        found.append(matches[0])
    return found


def _checked(models_dir: Path, files: Sequence[ReleasedFile]) -> list[FileStatus]:
    statuses = find_files(models_dir, files)
    broken = [status for status in statuses if not status.usable]
    if broken:
        names = ", ".join(f"{status.file.name} ({status.told})" for status in broken)
        raise DownloadError(
            f"after the download these are still not whole: {names}; run `{download_command(models_dir)}` again"
        )
    return statuses


def _explained(error: BaseException, models_dir: Path) -> DownloadError:
    """One line for the artist, whichever of the hub's and the network's many errors it was."""
    names = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in _causes(error)):
        return DownloadError(
            f"the disk of {models_dir} is full: make room and run `{download_command(models_dir)}` again"
        )
    if any(isinstance(cause, PermissionError) for cause in _causes(error)):
        return DownloadError(f"{models_dir} cannot be written to: choose another folder with --models-dir")
    if "GatedRepoError" in names:
        return DownloadError(
            f"{REPOSITORY} asks for consent: accept its terms on huggingface.co, then log in with `hf auth login`"
        )
    if names & {"RepositoryNotFoundError", "RevisionNotFoundError", "EntryNotFoundError"} - _offline(names):
        return DownloadError(
            f"{REPOSITORY} is not to be found (or not for this login) on the Hugging Face Hub: "
            "see the project's page for where the files are now"
        )
    if "OfflineModeIsEnabled" in names:
        return DownloadError("huggingface_hub is switched to offline: unset HF_HUB_OFFLINE")
    if names & {
        "ConnectError",
        "ConnectionError",
        "TimeoutException",
        "TransportError",
        "Timeout",
        "gaierror",
    }:
        return DownloadError(
            "the Hugging Face Hub cannot be reached: check the network (HTTPS_PROXY, HF_ENDPOINT) and run "
            f"`{download_command(models_dir)}` again; what has arrived is kept"
        )
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DownloadError(
        f"the download failed ({reason}): run `{download_command(models_dir)}` again; what has arrived is kept"
    )


def _offline(names: set[str]) -> set[str]:
    """LocalEntryNotFoundError is an EntryNotFoundError that only means "no network and nothing kept"."""
    return {"EntryNotFoundError"} if "LocalEntryNotFoundError" in names else set()


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what caused it, outermost first."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
