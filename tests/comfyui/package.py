"""The pack as ComfyUI's registry publishes it, which is without what only training and tests need."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PACK = Path(__file__).resolve().parents[2]


def install(folder: Path) -> bool:
    """Make `folder` what `comfy node publish` zips: what git tracks, less what .comfyignore names.

    False where git does not know, and `folder` is a link to the whole pack.
    """
    tracked = _git_files()
    for name in tracked - _git_files("--cached", "--ignored", "--exclude-from=.comfyignore"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACK / name, folder / name)
    if not tracked:
        folder.symlink_to(PACK, target_is_directory=True)
    return bool(tracked)


def _git_files(*options: str) -> set[str]:
    command = ["git", "-C", str(PACK), "ls-files", "-z", *options]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    return set(filter(None, listed.split("\0")))
