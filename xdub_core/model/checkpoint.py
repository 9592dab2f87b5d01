"""Load and save X-Dub checkpoints: strictly, from safetensors, with errors that say what the file is instead."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from xdub_core.errors import CheckpointError
from xdub_core.model.attention import AttentionFunction, torch_attention
from xdub_core.model.config import DiTConfig, config_from_shapes
from xdub_core.model.dit import XDubDiT
from xdub_core.model.identify import FileDescription, Kind, describe_file

CONFIG_METADATA = "xdub_config"
"""Key of a checkpoint's safetensors metadata that holds its DiTConfig as JSON. The released file has none."""

_GET_IT = "get X-Dub_model.safetensors with `python -m xdub_core models download`"
_ADVICE = {
    Kind.XDUB_QUANTISED: "load it with ComfyUI's nodes; the command line reads the unquantised file",
    Kind.GGUF: "load it with a GGUF loader in ComfyUI; the command line reads the safetensors file",
    Kind.LORA: f"a LoRA changes a model and is none itself; {_GET_IT}",
    Kind.PICKLE: f"only safetensors files are opened; {_GET_IT}",
    Kind.LFS_POINTER: f"fetch the real file with `git lfs pull`, or {_GET_IT}",
}
_NAMED_AT_MOST = 3


def load_dit(
    path: Path | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    operations: Any = nn,
    attention: AttentionFunction = torch_attention,
) -> XDubDiT:
    """Load an X-Dub checkpoint, one tensor at a time, to `device` as `dtype` (None: as stored), ready to sample.

    Raises CheckpointError when the file is missing, damaged or another kind of model, saying which tensors are
    missing, unexpected or of another size.
    """
    found = describe_file(path)
    if found.kind is not Kind.XDUB or found.pickled:
        advice = _ADVICE.get(Kind.PICKLE if found.pickled else found.kind, _GET_IT)
        raise CheckpointError(f"{found.path} is {found.kind.value}: {advice}{_lacks(found)}")
    model = XDubDiT(checkpoint_config(found), operations=operations, attention=attention, device="meta")
    check_tensors(model, found)
    with safe_open(found.path, framework="pt", device=str(device)) as file:
        state = {name: file.get_tensor(found.prefix + name).to(dtype=dtype) for name in found.shapes}
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def save_dit(model: XDubDiT, path: Path | str) -> None:
    """Save a model with its sizes, so that `load_dit` needs no guess about its heads."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, path, metadata={CONFIG_METADATA: json.dumps(asdict(model.config))})


def checkpoint_config(found: FileDescription) -> DiTConfig:
    """The sizes that a checkpoint's metadata states, or else those that its shapes show."""
    stated = found.metadata.get(CONFIG_METADATA)
    if stated is None:
        return config_from_shapes(found.shapes)
    values = json.loads(stated)
    return DiTConfig(**{**values, "patch": tuple(values["patch"])})


def check_tensors(model: nn.Module, found: FileDescription) -> None:
    """Raise CheckpointError unless the file has exactly the model's tensor names and shapes."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    missing = expected.keys() - found.shapes.keys()
    unexpected = found.shapes.keys() - expected.keys()
    resized = {name for name in expected.keys() & found.shapes.keys() if expected[name] != found.shapes[name]}
    problems = [
        f"{len(names)} {what} ({_some(names)})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another size", resized))
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{found.path} is not a whole X-Dub checkpoint; tensors: {', '.join(problems)}. "
            f"It may be damaged or of another version; {_GET_IT}"
        )


def _lacks(found: FileDescription) -> str:
    if not found.shapes:
        return ""
    with torch.device("meta"):
        expected = XDubDiT(DiTConfig()).state_dict().keys()
    missing, unexpected = expected - found.shapes.keys(), found.shapes.keys() - expected
    parts = [f"; it lacks {len(missing)} of X-Dub's {len(expected)} tensors ({_some(missing)})"]
    if unexpected:
        parts.append(f" and has {len(unexpected)} that X-Dub has not ({_some(unexpected)})")
    return "".join(parts)


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:_NAMED_AT_MOST]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "")
