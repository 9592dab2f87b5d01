"""Model files in ComfyUI's folders: what to offer, and whether the chosen one can be right."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

from xdub_core.errors import MissingModelError, XDubError

if TYPE_CHECKING:
    from xdub_core.weights.kinds import Kind


def choices(folder: str, *words: str) -> list[str]:
    """The files of a folder of ComfyUI's, those whose name has one of the words first, and the words' order within."""
    names = folder_paths.get_filename_list(folder)
    return sorted(
        names, key=lambda name: next((i for i, word in enumerate(words) if word in name.lower()), len(words))
    )


def found(folder: str, name: str) -> Path:
    """A file that one of ComfyUI's folders of that kind has. Raises MissingModelError for any other name."""
    if name not in folder_paths.get_filename_list(folder):  # a linked name may be anything
        raise MissingModelError(f"there is no {name!r} in models/{folder}: choose a file that is there")
    return Path(folder_paths.get_full_path_or_raise(folder, name))


def wrong_choice(
    folder: str, name: str | None, kinds: Collection[Kind], what: str, advice: str
) -> str | None:
    """What is wrong with the file `name`, in one line, for `validate_inputs`; None where it may be right.

    `what`: how the message names what is wanted; `advice`: where it is to be had. A pickle may be anything, so it
    passes: loading says.
    """
    if name is None:  # linked: known only when it runs
        return None
    from xdub_core.weights.identify import describe_file
    from xdub_core.weights.kinds import Kind

    listed = name in folder_paths.get_filename_list(
        folder
    )  # others are left alone: a workflow may name anything
    path = folder_paths.get_full_path(folder, name) if listed else None
    if path is None:
        there = (
            f"there is no {name!r} in models/{folder}" if name else f"models/{folder} has no file to choose"
        )
        return f"{what} is missing: {there}. {advice}"
    try:
        kind = describe_file(path).kind
    except XDubError as error:
        return str(error)
    return None if kind in {*kinds, Kind.PICKLE} else f"{name} is {kind.value}, not {what}. {advice}"
