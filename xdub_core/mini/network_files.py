"""The shipped mini as one folder of safetensors files: written whole, loaded strictly.

    VAE, phonemes, sync, landmarks (both stages), identity    this module's own, each with its sizes as metadata
    dit, and experts                                             files that others write; here they have their names

Networks are stored in float16 where asked for and loaded as float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.mini.face_landmarks import LandmarkConfig, LandmarkFinder, LandmarkNet
from xdub_core.mini.identity_net import IdentityConfig, IdentityNet
from xdub_core.mini.phonemes import PhonemeConfig, PhonemeNet
from xdub_core.mini.syncnet import SyncConfig, SyncNet
from xdub_core.mini.vae_net import VAEConfig, VAENet
from xdub_core.weights.stated import stated, stated_object
from xdub_core.weights.strict import load_strictly, tensor_problems
from xdub_core.weights.tensor_file import UNREADABLE, open_tensors, save_tensors

DIT, LIP_EXPERT, TEXTURE_EXPERT = "dit.safetensors", "lip_expert.safetensors", "texture_expert.safetensors"
_METADATA = "xdub_mini"
"""One key, so that equal networks make equal files: safetensors does not keep the order of several."""
_MAKE_IT = "make it with `python -m xdub_core train mini`"


@dataclass(frozen=True)
class MiniNetworks:
    """The mini's small networks, all ready to use on the CPU."""

    vae: VAENet
    phonemes: PhonemeNet
    sync: SyncNet
    landmarks: LandmarkFinder
    identity: IdentityNet


# The VAE's file keeps the name that it was first shipped under.
_KINDS: dict[str, tuple[type, Callable[[Any], nn.Module]]] = {
    "codec": (VAEConfig, VAENet),
    "phonemes": (PhonemeConfig, PhonemeNet),
    "sync": (SyncConfig, SyncNet),
    "landmarks_far": (LandmarkConfig, LandmarkNet),
    "landmarks_near": (LandmarkConfig, LandmarkNet),
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
    return MiniNetworks(loaded.pop("codec"), **loaded, landmarks=finder)


def save_network(name: str, network: nn.Module, folder: Path | str, half: bool = True) -> Path:
    """Write one network, `name`.safetensors with its sizes; returns the path."""
    path = Path(folder) / f"{name}.safetensors"
    tensors = {key: _stored(tensor, half) for key, tensor in network.state_dict().items()}
    described = json.dumps({"network": name, "sizes": asdict(network.config)})  # type: ignore[call-overload]
    save_tensors(path, tensors, {_METADATA: described})
    return path


def load_network(name: str, folder: Path | str) -> Any:
    """Load one network, frozen, in float32, ready to use.

    `name`: codec (the VAE), phonemes, sync, landmarks_far, landmarks_near or identity. Raises MissingModelError where
    there is no file, CheckpointError where it is damaged, of another network, or its tensors do not fit its sizes.
    """
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file():
        raise MissingModelError(f"xdub-mini lacks {path}: {_MAKE_IT}, or get the folder whole")
    try:
        file = open_tensors(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {_MAKE_IT}") from error
    what = f"{path}: its metadata"
    described = stated_object(file.metadata.get(_METADATA, "{}"), what)
    if described.get("network") != name:
        kind = described.get("network") or "no network of xdub-mini"
        raise CheckpointError(f"{path} holds {kind!s:.40}, not {name}: {_MAKE_IT}")
    network = _built(name, described.get("sizes"), what)
    if problems := tensor_problems(network, file):
        raise CheckpointError(
            f"{path} is of another version of xdub-mini ({', '.join(problems)}): {_MAKE_IT}"
        )
    load_strictly(network, file, what=name, dtype=torch.float32, copy=True)
    return network.eval().requires_grad_(False)


def _by_name(networks: MiniNetworks) -> dict[str, nn.Module]:
    finder = networks.landmarks
    return {
        "codec": networks.vae,
        "phonemes": networks.phonemes,
        "sync": networks.sync,
        "landmarks_far": finder.far,
        "landmarks_near": finder.near,
        "identity": networks.identity,
    }


def _built(name: str, sizes: object, what: str) -> nn.Module:
    """The network of these sizes, on the meta device: nothing is allocated before its tensors are known to fit."""
    config_type, network_type = _KINDS[name]
    config: Any = stated(config_type, sizes, what)
    try:
        with torch.device("meta"):
            return network_type(config)
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{what} states sizes that make no network ({reason}): {_MAKE_IT}") from None


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    """Weights as float16; single numbers and vectors (biases, statistics) as they are: they weigh nothing."""
    cpu = tensor.detach().cpu().contiguous()
    return cpu.half() if half and cpu.is_floating_point() and cpu.ndim > 1 else cpu
