"""Which folders a workflow may name. Needs no ComfyUI; `readable_folders.py` says which these are.

Workflows come from strangers: whoever opens one runs it on his own machine, or on a server for others. So a folder that
is named in one is judged as text first, and a link on the way by what it says, before anything of it is touched: on
Windows, merely looking at `\\\\host\\share` hands the user's credentials to that host.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import ModuleType

from xdub_core.errors import SettingsError

LONGEST = 4096
"""Characters of a path, at most."""
MOST_LINKS = 40
"""How many links a path may go through, as on Linux."""
HOW_TO_ALLOW = (
    "move it into ComfyUI's input or models folder, or let the machine's owner allow it, in XDUB_FOLDERS or under "
    "xdub_folders in extra_model_paths.yaml"
)
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
_DEVICES |= {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}


def real_path(
    text: str, base: str, roots: Sequence[str], read_link: Callable[[str], str | None] | None = None
) -> str:
    """The absolute path, free of links, of a folder or file that a workflow names; whether it is there is not asked.

    `text`: absolute, or relative to the absolute path `base`. `roots`: absolute paths that are allowed with what is in
    them, free of links themselves or named in both ways. `read_link`: where a link leads, None for what is no link.

    Raises SettingsError, in the same words for what is there and what is not, where it is or leads outside the roots.
    """
    read_link = read_link or link_target
    path = allowed_path(text, base, roots)
    for _ in range(MOST_LINKS):
        root = _root_of(path, roots) or ""
        found = _first_link(path, root, read_link)
        if found is None:
            return path
        place, target, rest = found
        path = os.path.normpath(PurePath(place).parent / target / rest)
        if _root_of(path, roots) is None:
            raise SettingsError(
                f"{shown(text)} leads outside of the folders that workflows may read: {HOW_TO_ALLOW}"
            )
    raise SettingsError(f"{shown(text)} is a link that leads nowhere: choose another folder")


def allowed_path(text: str, base: str, roots: Sequence[str], system: ModuleType = os.path) -> str:
    """The text as an absolute path inside one of the roots, by its words alone; see `real_path`.

    `system`: whose rules paths follow, `posixpath` or `ntpath`.
    """
    if len(text) > LONGEST or any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise SettingsError(f"{shown(text)} is no path: name a folder")
    path = system.normpath(system.join(base, text))
    if _root_of(path, roots, system) is None:
        raise SettingsError(
            f"{shown(text)} is outside of the folders that workflows may read: {HOW_TO_ALLOW}"
        )
    if system is not posixpath and any(
        _is_trick(part) for part in PureWindowsPath(text).parts[_anchored(text) :]
    ):
        raise SettingsError(f"{shown(text)} is no name that a folder can have on Windows: choose another")
    return path


def shown(text: str) -> str:
    """A path as messages show it: quoted, and not without end."""
    return repr(text) if len(text) <= 100 else f"{text[:97]!r}..."


def link_target(path: str) -> str | None:
    """Where a link leads, as it says itself; None for what is no link, or is not there."""
    try:
        target = str(Path(path).readlink())
    except (OSError, ValueError):
        return None
    for prefix, meaning in (("\\\\?\\UNC\\", "\\\\"), ("\\\\?\\", "")):  # as Windows keeps them
        if target.startswith(prefix):
            return meaning + target[len(prefix) :]
    return target


def _root_of(path: str, roots: Sequence[str], system: ModuleType = os.path) -> str | None:
    """The root that an absolute, normal path lies in."""
    kind: type[PurePath] = PurePosixPath if system is posixpath else PureWindowsPath
    named = kind(path)
    if ".." in named.parts:  # some of Windows' names of devices cannot be made normal
        return None
    return next((root for root in roots if named.is_relative_to(kind(root))), None)


def _first_link(path: str, root: str, read_link: Callable[[str], str | None]) -> tuple[str, str, str] | None:
    """The first link below `root` on the way to `path`: where it is, where it leads, and what follows after it."""
    parts = PurePath(path).relative_to(root).parts
    place = PurePath(root)
    for number, part in enumerate(parts):
        place /= part
        target = read_link(str(place))
        if target is not None:
            return str(place), target, str(PurePath(*parts[number + 1 :]))
    return None


def _anchored(text: str) -> int:
    """How many leading parts of a Windows path are its drive."""
    return 1 if PureWindowsPath(text).anchor else 0


def _is_trick(part: str) -> bool:
    """Whether Windows takes a name for something else: a device, a stream of a file, or a name with its end cut off."""
    stem = part.split(".")[0].rstrip(" ").lower()
    return ":" in part or stem in _DEVICES or (part != ".." and part != part.rstrip(" ."))
