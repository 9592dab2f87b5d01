"""The detectors' weights: from OpenMMLab's `.pth` or from safetensors, into networks, with every tensor checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.face.torch_file import read_checkpoint

Network = TypeVar("Network", bound=nn.Module)

IGNORED_PREFIXES = ("data_preprocessor.", "ema_")
"""Entries that some published OpenMMLab files carry and inference does not need."""


def load_state_dict(path: Path | str) -> dict[str, Tensor]:
    """The named tensors of an OpenMMLab `.pth` or of a `.safetensors` file.

    Raises MissingModelError or CheckpointError.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    content = read_checkpoint(path)
    # A plain dict is a copy without the attributes that a file can hang on an ordered one.
    entries = dict(content) if isinstance(content, dict) else {}
    state = entries.get("state_dict", content)
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no state_dict but a {type(state).__name__}")
    state = dict(state)
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no named tensors (its entries: {_some(map(str, state))})")
    return {name: value for name, value in tensors.items() if not name.startswith(IGNORED_PREFIXES)}


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingModelError(f"no model file at {path}: put it there, or name the file that you have")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file: {error}; download it again"
        ) from error


def convert_to_safetensors(pth: Path | str, out: Path | str) -> Path:
    """Write the tensors of an OpenMMLab `.pth` as safetensors of the same names; the metadata is left behind."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    out = Path(out)
    tensors = {name: value.contiguous().clone() for name, value in load_state_dict(pth).items()}
    partial = out.with_name(f".{out.name}.partial")
    try:
        save_file(tensors, partial)
        partial.replace(out)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write {out}: {error}") from error
    return out


def load_network(
    build: Callable[[], Network],
    path: Path | str,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Network:
    """A network with the file's weights, in evaluation mode; every tensor must be there, with its shape.

    `build` makes the network; it is called on the meta device, so that no weights are initialised in vain. Raises
    MissingModelError, or CheckpointError that says what is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        network = build()
    state = load_state_dict(path)
    check_names(network, state, path)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False).to(device=device, dtype=dtype)


def check_names(network: nn.Module, state: Mapping[str, Tensor], path: Path | str) -> None:
    """Raise CheckpointError unless `state` has exactly the network's tensors."""
    wanted = network.state_dict()
    missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    shapes = [
        f"{name} is {list(state[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems = [
        f"{len(names)} {what} ({_some(names)})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another size", shapes))
        if names
    ]
    if problems:
        kind = type(network).__name__
        raise CheckpointError(
            f"{path} is not the {kind} that is needed: {', '.join(problems)}; it looks like {describe_tensors(state)}"
        )


def describe_tensors(state: Mapping[str, Tensor]) -> str:
    """In a few words, what network a state dict seems to belong to."""
    signs = {
        "bbox_head.multi_level_conv_obj.": "a YOLOX detector of mmdet",
        "head.final_layer2.": "an RTMW pose network of mmpose",
        "head.gau.": "an RTMPose network of mmpose (RTMW is needed)",
        "bbox_head.": "another detector of mmdet",
        "blocks.0.self_attn.": "a video diffusion model (Wan or X-Dub)",
        "encoder.blocks.": "a Whisper model",
        "encoder.layers.": "an audio or text encoder",
        "wav2vec2.": "a wav2vec2 model",
        "detector_short.": "ComfyUI's MediaPipe face model (for core's own nodes)",
        "decoder.": "a VAE",
    }
    found = next((text for sign, text in signs.items() if any(name.startswith(sign) for name in state)), None)
    return found or f"something unknown, with tensors such as {_some(state)}"


def _some(names: Iterable[str], count: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:count]) + (", ..." if len(listed) > count else "")
