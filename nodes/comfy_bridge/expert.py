"""LoRA experts that run beside the model's layers, each only at its own noise levels. No weight is merged or reloaded,
so they work on quantised models (fp8, GGUF) too, and a step without them costs nothing.

Core's weight adapters do the work ("bypass"). All experts of a model are injected together, since core ejects in the
order of injection, which leaves the wrong forward behind where two injections share a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.lora_convert
import comfy.model_management as management
import comfy.utils
from comfy.patcher_extension import PatcherInjection, WrappersMP
from comfy.weight_adapter import WeightAdapterBase
from comfy.weight_adapter.bypass import BypassForwardHook
from torch import Tensor

from xdub_core.errors import CheckpointError
from xdub_core.model.dit import XDubDiT

from .model.clip_memory import ACTS
from .model.identity import tensor_sample
from .model.xdub_model import require_xdub

KEY = "xdub_experts"
SUFFIX = ".weight"


@dataclass
class GatedExpert:
    """One expert: its adapters by the layer's name, its strength, the noise levels from `highest` to `lowest`, and what
    people call it."""

    adapters: dict[str, WeightAdapterBase]
    strength: float
    lowest: float
    highest: float
    name: str = ""
    active: bool = False

    def gate(self, sigma: float) -> None:
        self.active = self.lowest <= sigma <= self.highest


class GatedHook(BypassForwardHook):
    """Core's hook of one layer, silent while its expert does not act."""

    def __init__(self, module: Any, name: str, expert: GatedExpert) -> None:
        # A copy: on each device of several the adapter's factors lie there.
        super().__init__(module, copy(expert.adapters[name]), expert.strength)
        self.expert = expert
        self.stored = self.adapter.weights

    def inject(self) -> None:
        super().inject()
        plain, changed = self.original_forward, self.module.forward

        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            return (changed if self.expert.active else plain)(x, *args, **kwargs)

        setattr(forward, ACTS, lambda: self.expert.active)
        self.module.forward = forward

    def eject(self) -> None:
        """Also gives back the memory that core took for the adapter on the device."""
        super().eject()
        self.adapter.weights = self.stored


@dataclass
class ExpertStack:
    """All experts of one MODEL; its `hooks`, by the network that they are in: core may have one on each device."""

    experts: tuple[GatedExpert, ...]
    hooks: dict[int, list[GatedHook]] = field(default_factory=dict)

    def inject(self, patcher: Any) -> None:
        hooks = self.hooks.setdefault(id(patcher.model), [])
        for expert in self.experts:
            for name in expert.adapters:
                hook = GatedHook(patcher.get_model_object(name), name, expert)
                with management.cuda_device_context(patcher.load_device):  # core takes the current GPU
                    hook.inject()
                hooks.append(hook)

    def eject(self, patcher: Any) -> None:
        hooks = self.hooks.pop(id(patcher.model), [])
        while hooks:
            hooks.pop().eject()

    def predict_noise(
        self, predict: Callable[..., Tensor], x: Tensor, timestep: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        """Core's wrapper of a step: opens and closes the gates."""
        sigma = float(timestep.flatten()[0])
        for expert in self.experts:
            expert.gate(sigma)
        return predict(x, timestep, *args, **kwargs)


def with_expert(model: Any, path: Path, strength: float, lowest: float, highest: float) -> Any:
    """A MODEL with one more expert; the one given stays as it is.

    Raises SettingsError for another kind of model, CheckpointError for a file that does not fit it.
    """
    require_xdub(model)
    added = GatedExpert(load_adapters(model, path), strength, lowest, highest, path.stem)
    patched = model.clone()
    stack = ExpertStack((*experts_of(model), added))
    patched.set_attachments(KEY, stack.experts)
    patched.set_injections(KEY, [PatcherInjection(inject=stack.inject, eject=stack.eject)])
    patched.remove_wrappers_with_key(WrappersMP.PREDICT_NOISE, KEY)
    patched.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, KEY, stack.predict_noise)
    return patched


def experts_of(model: Any) -> tuple[GatedExpert, ...]:
    """The experts that a MODEL has."""
    return model.get_attachment(KEY) or ()


def known_experts(model: Any) -> dict[str, Any]:
    """What the experts of a MODEL do, for `model.identity.patcher_key`."""
    told = [
        [
            expert.strength,
            expert.lowest,
            expert.highest,
            [[name, _told(a)] for name, a in expert.adapters.items()],
        ]
        for expert in experts_of(model)
    ]
    return {KEY: told} if told else {}


def _told(adapter: WeightAdapterBase) -> list[Any]:
    """An adapter as `key_of` takes it."""
    weights = [tensor_sample(each) if isinstance(each, Tensor) else str(each) for each in adapter.weights]
    return [adapter.name, *weights]


def load_adapters(model: Any, path: Path) -> dict[str, WeightAdapterBase]:
    """The adapters in a LoRA file, in any format that core reads, by the name of the model's layer.

    Raises CheckpointError where the file is no LoRA for this model, or holds more than low-rank changes.
    """
    stored = comfy.lora_convert.convert_lora(comfy.utils.load_torch_file(str(path), safe_load=True))
    patches = comfy.lora.load_lora(
        stored, comfy.lora.model_lora_keys_unet(model.model, {}), log_missing=False
    )
    if not patches:
        raise CheckpointError(
            f"{path.name} changes no layer of this model: choose a LoRA that was trained on X-Dub"
        )
    unquantised = XDubDiT(model.model.diffusion_model.config, device="meta")
    shapes = {f"diffusion_model.{name}": x.shape for name, x in unquantised.state_dict().items()}
    adapters = {}
    for key, adapter in patches.items():
        if not isinstance(adapter, WeightAdapterBase) or not str(key).endswith(SUFFIX):
            raise CheckpointError(
                f"{path.name} changes {key} by more than a low-rank product, which cannot be switched on and off: "
                "load it with Load LoRA instead"
            )
        check_size(path, key, adapter, shapes[key])
        adapters[key.removesuffix(SUFFIX)] = adapter
    return adapters


def check_size(path: Path, key: str, adapter: WeightAdapterBase, shape: tuple[int, ...]) -> None:
    """Raise CheckpointError unless a LoRA's factors are of the layer's size, as far as that can be seen."""
    if adapter.name != "lora" or len(shape) != 2:
        return
    up, down = adapter.weights[:2]
    if (up.shape[0], down.shape[1]) != tuple(shape):
        raise CheckpointError(
            f"{path.name} changes {key} of {up.shape[0]}x{down.shape[1]}, the model's is {shape[0]}x{shape[1]}: "
            "it belongs to another size of the model"
        )
