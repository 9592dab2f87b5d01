"""Tensors of an encoder's checkpoint, read one at a time from any of the formats that encoders come in.

A Hugging Face folder (safetensors, several safetensors with an index, or pytorch_model.bin), one safetensors file, or
a torch file. Torch files are read with `weights_only=True`: they cannot run code.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from xdub_core.errors import CheckpointError, MissingModelError

_FOLDER_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, pickle.UnpicklingError)


@dataclass(frozen=True)
class StoredTensors:
    """The names and shapes in a checkpoint, and how to read one tensor.

    Attributes:
        path: the file or folder.
        shapes: shape of every tensor by its name.
        read: gives the tensor of a name, in RAM, as it is stored.
        config: config.json, and `preprocessor` the preprocessor_config.json, that lie beside it; empty without.
        dims: an OpenAI Whisper checkpoint's sizes; empty in other files.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], torch.Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)


def open_tensors(path: str | Path) -> StoredTensors:
    """Look into a checkpoint file or folder without reading its tensors.

    Raises:
        MissingModelError: there is nothing at the path, or no weights in the folder.
        CheckpointError: the file is not a readable checkpoint.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    file = _file_in(path) if path.is_dir() else path
    if not file.is_file():
        raise MissingModelError(f"There is no model file {file}: check the name, or download it.")
    from safetensors import SafetensorError

    try:
        stored, dims = _tensors(file)
    except (*_UNREADABLE, SafetensorError) as error:
        raise CheckpointError(f"{file} is not a readable checkpoint ({_first_line(error)}).") from error
    shapes = {name: shape for name, (shape, _) in stored.items()}
    return StoredTensors(
        path,
        shapes,
        lambda name: stored[name][1](),
        _json_beside(folder / "config.json"),
        _json_beside(folder / "preprocessor_config.json"),
        dims,
    )


def load_strictly(
    module: torch.nn.Module,
    stored: StoredTensors,
    names: Mapping[str, str],
    what: str,
    dtype: torch.dtype,
    device: torch.device | str,
) -> None:
    """Fill a module built on the meta device; every tensor must be there, none left over, all of the right size.

    Args:
        module: takes the tensors.
        stored: the checkpoint.
        names: the module's name of each tensor -> its name in the checkpoint.
        what: the model in words, for messages.
        dtype, device: of the tensors in the module.

    Raises:
        CheckpointError: naming what is missing, unexpected or of the wrong size.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    complaints = [
        *_complaint("lacks", sorted(wanted.keys() - names.keys())),
        *_complaint("has unexpected", sorted(names[name] for name in names.keys() - wanted.keys())),
        *_complaint(
            "has wrong sizes:",
            [
                f"{names[name]} {list(stored.shapes[names[name]])} for {list(shape)}"
                for name, shape in wanted.items()
                if name in names and stored.shapes[names[name]] != shape
            ],
        ),
    ]
    if complaints:
        raise CheckpointError(f"{stored.path} is not {what}: it {', '.join(complaints)}.")
    tensors = {
        name: stored.read(source).to(dtype=dtype, device=device, copy=True).contiguous()
        for name, source in names.items()
    }
    module.load_state_dict(tensors, strict=True, assign=True)


def looks_like(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What a checkpoint seems to be, in words, for the message that refuses it."""
    names = list(shapes)
    signs = (
        ("a LoRA", ("lora_",)),
        ("a wav2vec2 model", ("feature_extractor.conv_layers.0.",)),
        ("a Whisper model", ("encoder.conv1.weight", "decoder.token_embedding")),
        ("a Wan or X-Dub diffusion model", ("patch_embedding", "time_embedding", "time_projection")),
        ("a umt5 or T5 text encoder", ("token_embedding.weight", "shared.weight")),
        ("a video VAE", ("decoder.middle", "encoder.middle", "decoder.upsamples")),
    )
    for words, parts in signs:
        if any(part in name for name in names for part in parts):
            return words
    return "something else" if names else "empty"


def _file_in(folder: Path) -> Path:
    for name in _FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise MissingModelError(f"{folder} holds no weights: it needs one of {', '.join(_FOLDER_FILES)}.")


_Lazy = dict[str, tuple[tuple[int, ...], Callable[[], torch.Tensor]]]


def _tensors(file: Path) -> tuple[_Lazy, Mapping[str, int]]:
    if file.name.endswith(".index.json"):
        parts = sorted(set(json.loads(file.read_text(encoding="utf-8"))["weight_map"].values()))
        merged: _Lazy = {}
        for part in parts:
            merged |= _safetensors(file.parent / part)
        return merged, {}
    if file.suffix == ".safetensors":
        return _safetensors(file), {}
    return _torch_file(file)


def _safetensors(file: Path) -> _Lazy:
    from safetensors import safe_open

    handle = safe_open(str(file), framework="pt")
    return {
        name: (tuple(handle.get_slice(name).get_shape()), partial(handle.get_tensor, name))
        for name in handle.keys()  # noqa: SIM118 - not a dict
    }


def _torch_file(file: Path) -> tuple[_Lazy, Mapping[str, int]]:
    # Only the tensors that are used are read from a mapped file: a Whisper checkpoint's decoder never is.
    content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    if not isinstance(content, dict):
        raise ValueError("it holds no dictionary of tensors")
    state = content.get("model_state_dict", content)
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    lazy: _Lazy = {
        name: (tuple(value.shape), partial(tensors.__getitem__, name)) for name, value in tensors.items()
    }
    return lazy, content.get("dims", {})


def _json_beside(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} is not readable JSON ({_first_line(error)}).") from error
    return content if isinstance(content, dict) else {}


def _complaint(verb: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return [f"{verb} {', '.join(items[:3])}{more}"]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
