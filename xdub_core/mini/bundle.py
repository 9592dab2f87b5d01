"""The shipped mini as one folder of safetensors files: written whole, loaded strictly.

    codec, phonemes, sync, landmarks (both looks), identity      this module's own, each with its sizes as metadata
    dit, and experts                                             files that others write; here they have their names

Networks are stored in float16 where asked for and loaded as float32; see `rounding_error` for what that costs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.files import write_whole
from xdub_core.mini.codec_net import CodecConfig, CodecNet
from xdub_core.mini.identity_net import IdentityConfig, IdentityNet
from xdub_core.mini.landmarks import LandmarkFinder, PointConfig, PointNet
from xdub_core.mini.phonemes import PhonemeConfig, PhonemeNet
from xdub_core.mini.syncnet import SyncConfig, SyncNet

LARGEST_BYTES = 20_000_000
"""What all the files may take together."""
DIT, LIP_EXPERT, TEXTURE_EXPERT = "dit.safetensors", "lip_expert.safetensors", "texture_expert.safetensors"
_METADATA = "xdub_mini"
"""One key, so that equal networks make equal files: safetensors does not keep the order of several."""
_MAKE_IT = "make it with `python -m xdub_core train mini`"


@dataclass(frozen=True)
class MiniNetworks:
    """The mini's small networks, all ready to use on the CPU."""

    codec: CodecNet
    phonemes: PhonemeNet
    sync: SyncNet
    landmarks: LandmarkFinder
    identity: IdentityNet


_KINDS: dict[str, tuple[type, Callable[[Any], nn.Module]]] = {
    "codec": (CodecConfig, CodecNet),
    "phonemes": (PhonemeConfig, PhonemeNet),
    "sync": (SyncConfig, SyncNet),
    "landmarks_far": (PointConfig, PointNet),
    "landmarks_near": (PointConfig, PointNet),
    "identity": (IdentityConfig, IdentityNet),
}


def save_networks(networks: MiniNetworks, folder: Path | str, half: bool = True, keep: bool = False) -> None:
    """Write all the small networks into a folder, each file whole or not at all.

    `half`: as float16; `keep`: only those that the folder lacks.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in _by_name(networks).items():
        if not (keep and (folder / f"{name}.safetensors").exists()):
            save_network(name, network, folder, half)


def load_networks(folder: Path | str) -> MiniNetworks:
    """Load all the small networks of a folder. Raises as `load_network` does."""
    loaded: dict[str, Any] = {name: load_network(name, folder) for name in _KINDS}
    finder = LandmarkFinder(loaded.pop("landmarks_far"), loaded.pop("landmarks_near"))
    return MiniNetworks(**loaded, landmarks=finder)


def save_network(name: str, network: nn.Module, folder: Path | str, half: bool = True) -> Path:
    """Write one network, `name`.safetensors with its sizes; returns the path."""
    path = Path(folder) / f"{name}.safetensors"
    tensors = {key: _stored(tensor, half) for key, tensor in network.state_dict().items()}
    described = json.dumps({"network": name, "sizes": asdict(network.config)})  # type: ignore[call-overload]
    write_whole(path, lambda file: save_file(tensors, file, metadata={_METADATA: described}))
    return path


def load_network(name: str, folder: Path | str) -> Any:
    """Load one network, frozen, in float32, ready to use.

    `name`: codec, phonemes, sync, landmarks_far, landmarks_near or identity. Raises MissingModelError where there is
    no file, CheckpointError where it is damaged, of another network, or its tensors do not fit its sizes.
    """
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file():
        raise MissingModelError(f"xdub-mini lacks {path}: {_MAKE_IT}, or get the folder whole")
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            tensors = {key: _loaded(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {_MAKE_IT} ({error})") from error
    if described.get("network") != name:
        kind = described.get("network") or "no network of xdub-mini"
        raise CheckpointError(f"{path} holds {kind}, not {name}: {_MAKE_IT}")
    network = _built(name, described.get("sizes") or {}, path)
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path} is of another version of xdub-mini ({first}): {_MAKE_IT}") from error
    return network.eval().requires_grad_(False)


def bundle_bytes(folder: Path | str) -> int:
    """The size of all the safetensors files in a folder."""
    return sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))


def rounding_error(network: nn.Module) -> float:
    """The largest relative change of a tensor (norms) that storing the network as float16 makes."""
    changes = [0.0]
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            change = (_loaded(_stored(tensor, True)) - tensor).norm() / tensor.norm().clamp(min=1e-12)
            changes.append(float(change))
    return max(changes)


def _by_name(networks: MiniNetworks) -> dict[str, nn.Module]:
    finder = networks.landmarks
    return {
        "codec": networks.codec,
        "phonemes": networks.phonemes,
        "sync": networks.sync,
        "landmarks_far": finder.far,
        "landmarks_near": finder.near,
        "identity": networks.identity,
    }


def _built(name: str, sizes: dict[str, Any], path: Path) -> nn.Module:
    config_type, network_type = _KINDS[name]
    known = {field.name for field in fields(config_type)}
    if set(sizes) != known:
        names = ", ".join(sorted(set(sizes) ^ known))
        raise CheckpointError(f"{path} is of another version of xdub-mini (sizes: {names}): {_MAKE_IT}")
    return network_type(config_type(**{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}))


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    """Weights as float16; single numbers and vectors (biases, statistics) as they are: they weigh nothing."""
    cpu = tensor.detach().cpu().contiguous()
    return cpu.half() if half and cpu.is_floating_point() and cpu.ndim > 1 else cpu


def _loaded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
