"""Load and save X-Dub checkpoints: strictly, from safetensors, with errors that say what the file is instead."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xdub_core.errors import CheckpointError
from xdub_core.model.attention import AttentionFunction, torch_attention
from xdub_core.model.config import CONFIG_METADATA, DiTConfig, config_from_shapes, config_from_values
from xdub_core.model.dit import XDubDiT
from xdub_core.model.few_steps import FEW_STEPS, FewSteps
from xdub_core.weights.identify import FileDescription, describe_file
from xdub_core.weights.kinds import Kind
from xdub_core.weights.stated import as_object, stated_object
from xdub_core.weights.strict import check_tensors, load_strictly, tensor_problems, wrong_file
from xdub_core.weights.tensor_file import open_tensors, save_tensors

_WHOLE = "a whole X-Dub checkpoint"
_GET_IT = "get X-Dub_model.safetensors with `python -m xdub_core models download`"
_DAMAGED = f"it may be damaged or of another version; {_GET_IT}"
_ADVICE = {
    Kind.XDUB_QUANTISED: "load it with ComfyUI's nodes; the command line reads the unquantised file",
    Kind.GGUF: "load it with a GGUF loader in ComfyUI; the command line reads the safetensors file",
    Kind.LORA: f"a LoRA changes a model and is none itself; {_GET_IT}",
    Kind.PICKLE: f"only safetensors files are opened; {_GET_IT}",
    Kind.LFS_POINTER: f"fetch the real file with `git lfs pull`, or {_GET_IT}",
}


def load_dit(
    path: Path | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    operations: Any = nn,
    attention: AttentionFunction = torch_attention,
    copy: bool = False,
) -> XDubDiT:
    """Load an X-Dub checkpoint, one tensor at a time, to `device` as `dtype` (None: as stored), ready to sample.

    With `copy`, nothing stays mapped to the file, which may then be replaced, on Windows too.

    Raises CheckpointError when the file is missing, damaged or another kind of model, saying which tensors are
    missing, unexpected or of another size.
    """
    found = _described(path)
    model = XDubDiT(checkpoint_config(found), operations=operations, attention=attention, device="meta")
    names = {name: found.prefix + name for name in found.shapes}
    load_strictly(
        model, open_tensors(path), names, what=_WHOLE, advice=_DAMAGED, dtype=dtype, device=device, copy=copy
    )
    return model.eval().requires_grad_(False)


def check_dit_file(path: Path | str) -> FileDescription:
    """Raise CheckpointError, as `load_dit` would, after a look at the file's names and shapes: nothing is loaded.

    Returns what was seen.
    """
    found = _described(path)
    check_checkpoint(XDubDiT(checkpoint_config(found), device="meta"), found)
    return found


def save_dit(model: XDubDiT, path: Path | str, few: FewSteps | None = None) -> None:
    """Save a model, whole or not at all, with its sizes, so that `load_dit` needs no guess about its heads.

    `few`: how it is sampled, where it was distilled. One key holds both: of several, the order in a file is random.
    """
    stated: dict[str, Any] = {"transformer": {"xdub": asdict(model.config)}}
    if few is not None:
        stated[FEW_STEPS] = asdict(few)
    save_tensors(path, model.state_dict(), {CONFIG_METADATA: json.dumps(stated)})


def checkpoint_config(found: FileDescription) -> DiTConfig:
    """The sizes that a checkpoint's metadata states, or else those that its shapes show; read as ComfyUI reads them.

    Raises CheckpointError where the metadata is not what it should be, or does not fit the tensors.
    """
    what = f"{found.path}: its metadata"
    stated = found.metadata.get(CONFIG_METADATA)
    config = {} if stated is None else stated_object(stated, what)
    transformer = as_object(config.get("transformer", {}), what)
    if "xdub" in transformer:
        return config_from_values(transformer["xdub"], found.shapes, what)
    try:
        return config_from_shapes(found.shapes)
    except CheckpointError as error:
        raise CheckpointError(f"{found.path}: {error}") from None


def check_checkpoint(model: nn.Module, found: FileDescription) -> None:
    """Raise CheckpointError unless the file has exactly the model's tensor names and shapes."""
    check_tensors(model, found, what=_WHOLE, advice=_DAMAGED)


def _described(path: Path | str) -> FileDescription:
    """What the file at `path` holds. CheckpointError where it is missing or another kind of model."""
    found = describe_file(path)
    advice = _ADVICE.get(Kind.PICKLE if found.pickled else found.kind, _GET_IT)
    if found.pickled or not found.shapes:
        raise CheckpointError(f"{found.path} is {found.kind.value}: {advice}")
    if found.kind is not Kind.XDUB:
        problems = tensor_problems(XDubDiT(DiTConfig(), device="meta"), found)
        raise wrong_file(found, "an X-Dub checkpoint", problems, advice)
    return found
