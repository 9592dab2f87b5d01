"""A file of named tensors in any of the formats that models come in, opened without reading its tensors.

One safetensors file, several with an index, a torch file, or a Hugging Face folder of these. A file's format is told
by its first bytes, not by its name.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.files import write_whole
from xdub_core.weights.kinds import START_BYTES, begins_torch_file, kind_by_first_bytes, some
from xdub_core.weights.torch_file import load_torch_file

FOLDER_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""What holds the weights in a Hugging Face folder; the first that is there is opened."""
UNREADABLE = (
    SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, OSError, EOFError, LookupError, ValueError,
    TypeError, AttributeError, RuntimeError, ArithmeticError, AssertionError, MemoryError,
)  # fmt: skip
"""What readers and tensor construction raise on bytes that are not what they claim to be."""

_WRAPPERS = ("model_state_dict", "state_dict", "model_state")


@dataclass(frozen=True)
class _Stored:
    """One tensor that is not read yet."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Tensor]
    rows: Callable[[slice], Tensor]


class TensorFile:
    """The names, shapes and dtypes in a file, and its tensors one at a time; the file is let go with the object.

    Attributes:
        path: the file (in a folder, the one that was opened).
        shapes: the shape of every tensor by its name.
        dtypes: its dtype, by safetensors' names ("F32", "BF16", "F8_E4M3", ...).
        metadata: a safetensors file's own; empty in others.
        extras: what a torch file holds beside its tensors (Whisper's `dims`); empty in others.
    """

    def __init__(
        self,
        path: Path,
        stored: Mapping[str, _Stored],
        metadata: Mapping[str, str] | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.shapes = {name: tensor.shape for name, tensor in stored.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in stored.items()}
        self.metadata = metadata or {}
        self.extras = extras or {}
        self._stored = stored

    def read(self, name: str) -> Tensor:
        """The tensor as it is stored, on the CPU: it may be a view of the mapped file. Raises CheckpointError."""
        try:
            return self._find(name).read()
        except UNREADABLE as error:
            raise unreadable(self.path, error) from error

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """A copy of rows start..stop of a tensor, without reading the others. Raises CheckpointError."""
        try:
            return self._find(name).rows(slice(start, stop)).clone()
        except UNREADABLE as error:
            raise unreadable(self.path, error) from error

    def _find(self, name: str) -> _Stored:
        if name not in self._stored:
            raise CheckpointError(f"{self.path} lacks {name}: it is another kind of file, or incomplete")
        return self._stored[name]


def open_tensors(path: Path | str) -> TensorFile:
    """Look into a file or a Hugging Face folder without reading its tensors. No code in a file is run.

    Raises:
        MissingModelError: there is nothing at the path, or no weights in the folder.
        CheckpointError: the file is no file of tensors, or damaged; the message says what it looks like.
    """
    path = _file_at(Path(path))
    if path.name.endswith(".index.json"):
        read = _open_index
    else:
        start = first_bytes(path)
        if kind_by_first_bytes(start):
            raise unreadable(path)
        read = _open_torch if begins_torch_file(start) else _open_safetensors
    try:
        return read(path)
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def save_tensors(
    path: Path | str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    rivals: bool = False,
) -> None:
    """Write a safetensors file, whole or not at all; `rivals` as in `write_whole`. Raises OSError, SafetensorError."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = dict(metadata) if metadata is not None else None
    write_whole(Path(path), lambda file: save_file(stored, file, metadata=described), rivals=rivals)


def first_bytes(path: Path) -> bytes:
    """The start of a file, for `kind_by_first_bytes`. Raises CheckpointError where it may not be read."""
    try:
        with path.open("rb") as file:
            return file.read(START_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception | None = None) -> CheckpointError:
    """The error for a file that cannot be read as tensors: what it looks like, or else what went wrong."""
    if isinstance(error, OSError):
        return CheckpointError(f"{path} cannot be opened ({_first_line(error)})")
    if kind := kind_by_first_bytes(first_bytes(path)):
        return CheckpointError(
            f"{path} is not a readable checkpoint: it looks like {kind.value}; get the real file"
        )
    why = f" ({_first_line(error)})" if error else ""
    return CheckpointError(
        f"{path} is not a readable checkpoint: it is damaged or cut short{why}; download it again"
    )


def json_beside(file: TensorFile, name: str) -> Mapping[str, Any]:
    """The settings in a JSON file beside a file of tensors; empty where there is none. Raises CheckpointError."""
    path = file.path.parent / name
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not readable JSON ({_first_line(error)})") from error
    return content if isinstance(content, dict) else {}


def weights_in(folder: Path) -> Path | None:
    """What holds the weights in a Hugging Face folder; None where nothing does."""
    return next((folder / name for name in FOLDER_FILES if (folder / name).is_file()), None)


def _file_at(path: Path) -> Path:
    if path.is_dir():
        found = weights_in(path)
        if found is None:
            raise MissingModelError(f"{path} holds no weights: it needs one of {', '.join(FOLDER_FILES)}")
        return found
    if not path.is_file():
        raise MissingModelError(f"there is no model file {path}: check the name, or download it")
    return path


def _open_safetensors(path: Path) -> TensorFile:
    handle = safe_open(path, framework="pt")
    stored = {}
    for name in handle.keys():  # noqa: SIM118 (not a dict)
        part = handle.get_slice(name)
        read = partial(handle.get_tensor, name)
        stored[name] = _Stored(tuple(part.get_shape()), str(part.get_dtype()), read, part.__getitem__)
    return TensorFile(path, stored, handle.metadata())


def _open_index(path: Path) -> TensorFile:
    parts = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    stored: dict[str, _Stored] = {}
    for part in parts:
        stored |= _open_safetensors(path.parent / part)._stored
    return TensorFile(path, stored)


def _open_torch(path: Path) -> TensorFile:
    content = load_torch_file(path)
    # Plain dicts are copies without the attributes that a file can hang on an ordered one.
    outer = state = dict(content) if isinstance(content, dict) else {}
    while wrapper := next((name for name in _WRAPPERS if isinstance(state.get(name), dict)), None):
        state = dict(state[wrapper])
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        held = f"its entries: {some(map(str, state))}" if state else f"a {type(content).__name__}"
        raise CheckpointError(f"{path} holds no named tensors ({held}): it is another kind of file")
    extras = {str(k): v for k, v in outer.items() if k not in _WRAPPERS and not isinstance(v, Tensor)}
    return TensorFile(path, {name: _in_memory(tensor) for name, tensor in tensors.items()}, extras=extras)


def _in_memory(tensor: Tensor) -> _Stored:
    return _Stored(tuple(tensor.shape), _dtype_name(tensor.dtype), lambda: tensor, tensor.__getitem__)


def _dtype_name(dtype: torch.dtype) -> str:
    """safetensors' name of a dtype: F32, BF16, I64, U8, BOOL, F8_E4M3."""
    name = str(dtype).removeprefix("torch.").removesuffix("fn")
    return name.replace("float", "f").replace("uint", "u").replace("int", "i").upper()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
