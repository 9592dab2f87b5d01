"""What a MODEL or a VAE is, as a key: of its weights and of how it computes; None where that cannot be known surely.

A node may put any code into a MODEL: patches, wrappers, hooks, other objects. Where one has, nobody can tell whether it
does the same in the next run, and there is no key. LoRA experts of this pack are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import comfy.model_patcher
import comfy.sd
import torch
from comfy.cli_args import args
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn

from xdub_core.job.keys import key_of

from .mini_vae import MiniVae

RUN = 64
"""Values that are read of each tensor at its beginning, middle and end: no two trainings agree in all of them."""
_PATCHERS = {"ModelPatcher", "ModelPatcherDynamic"}
_PATCHES = (
    "patches",
    "object_patches",
    "weight_wrapper_patches",
    "hook_patches",
    "additional_models",
    "forced_hooks",
    "current_hooks",
)
"""What of a ModelPatcher must be empty."""


def patcher_key(patcher: Any, known: Mapping[str, Any]) -> str | None:
    """The key of a ModelPatcher's model as it is sampled.

    `known`: of its injections and wrappers by the names of those who put them there, what they do, as `key_of` takes
    it; all others are unknown.
    """
    if type(patcher).__name__ not in _PATCHERS or type(patcher).__module__ != comfy.model_patcher.__name__:
        return None
    if any(getattr(patcher, name, None) for name in _PATCHES) or not _is_plain(patcher.model_options):
        return None
    if not {*_names(patcher.wrappers), *_names(patcher.callbacks), *patcher.injections} <= set(known):
        return None
    weights = weights_key(patcher.model)
    if weights is None:
        return None
    computed_in = str(getattr(patcher.model, "manual_cast_dtype", None)), bool(patcher.force_cast_weights)
    device = torch.device(patcher.load_device).type
    return key_of(
        weights, known, computed_in, device, optimized_attention.__name__, sorted(map(str, args.fast))
    )


def vae_key(vae: Any) -> str | None:
    """The key of a VAE of core's, or of the built-in model's; None for any other class, which may do anything."""
    if type(vae) not in (comfy.sd.VAE, MiniVae):
        return None
    key = patcher_key(vae.patcher, {})
    return None if key is None else key_of(key, str(vae.vae_dtype))


def weights_key(network: nn.Module) -> str | None:
    """The key of a network's class and weights; None where one is of a kind that is not read plainly."""
    told = []
    for name, tensor in network.state_dict().items():
        if type(tensor) not in (Tensor, nn.Parameter):
            return None
        told.append([name, str(tensor.dtype), list(tensor.shape), tensor_sample(tensor)])
    return key_of(type(network).__name__, told)


def tensor_sample(tensor: Tensor) -> str:
    """Some of a tensor's values, as hexadecimal digits."""
    values = tensor.detach().reshape(-1)
    middle = len(values) // 2
    runs = [values[:RUN], values[middle : middle + RUN], values[-RUN:]]
    return torch.cat(runs).contiguous().view(torch.uint8).cpu().numpy().tobytes().hex()


def _is_plain(options: Mapping[str, Any]) -> bool:
    """Whether a MODEL's options say nothing."""
    return not any(
        _is_plain(value) is False if isinstance(value, Mapping) else value for value in options.values()
    )


def _names(put: Mapping[str, Mapping[Any, Any]]) -> Iterable[Any]:
    """Who put something there: core sorts by kind, and then by name."""
    return (name for by_name in put.values() for name, found in by_name.items() if found)
