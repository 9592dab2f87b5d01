"""The folders of this machine that workflows may read: ComfyUI's own, and those that its owner allows besides."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import folder_paths

from xdub_core.errors import SettingsError

from .allowed_paths import real_path, shown

VARIABLE = "XDUB_FOLDERS"
"""Environment variable with more folders, separated as in PATH."""
EXTRA = "xdub_folders"
"""The same in extra_model_paths.yaml: the name of a kind of folder."""
_MODELS = (
    "checkpoints",
    "diffusion_models",
    "vae",
    "text_encoders",
    "audio_encoders",
    "detection",
    "loras",
    EXTRA,
)


def input_folder(text: str) -> Path:
    """A folder that a workflow names, relative to ComfyUI's input folder or whole, free of links.

    Raises SettingsError, as `real_path`, where workflows may not read it, or it is not there.
    """
    return _folder(text, folder_paths.get_input_directory(), "ComfyUI's input folder")


def model_folder(text: str) -> Path:
    """The same, relative to ComfyUI's models folder."""
    return _folder(text, folder_paths.models_dir, "ComfyUI's models folder")


def files_in(folder: Path, suffixes: Collection[str] | None = None) -> list[Path]:
    """The files of such a folder, by name: hidden ones and, where `suffixes` are given, those of others left out.

    Raises SettingsError for one that is a link to where workflows may not read, or where the folder cannot be read.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise SettingsError(
            f"{shown(folder.name)} cannot be read ({error.strerror}): ask its owner"
        ) from None
    wanted = [
        folder / name
        for name in names
        if not name.startswith(".") and (suffixes is None or Path(name).suffix.lower() in suffixes)
    ]
    roots = allowed_roots()
    for path in wanted:
        real_path(path.name, str(folder), roots)
    return [path for path in wanted if path.is_file()]


def allowed_roots() -> list[str]:
    """Folders that workflows may read, with what is in them: as they are named, and where their links lead."""
    own = [folder_paths.get_input_directory(), folder_paths.get_output_directory()]
    own += [folder_paths.get_temp_directory(), folder_paths.models_dir]
    kinds = [kind for kind in _MODELS if kind in folder_paths.folder_names_and_paths]
    models = [folder for kind in kinds for folder in folder_paths.get_folder_paths(kind)]
    more = [os.path.expanduser(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep)]  # noqa: PTH111 (raises nothing)
    named = [_whole(folder) for folder in (*own, *models, *more) if folder.strip()]
    return list(dict.fromkeys([*named, *map(os.path.realpath, named)]))


def _folder(text: str, base: str, where: str) -> Path:
    name = text.strip()
    if not name:
        raise SettingsError(f"no folder is named: give the name of one in {where}")
    path = Path(real_path(name, _whole(base), allowed_roots()))
    try:
        there = path.is_dir()
    except (OSError, ValueError):  # a name that is too long, say
        there = False
    if not there:
        raise SettingsError(f"{shown(text)} is no folder in {where}: see how it is written there")
    return path


def _whole(folder: str) -> str:
    """The absolute path of a folder, by its words."""
    return os.path.normpath(Path(folder).absolute())
