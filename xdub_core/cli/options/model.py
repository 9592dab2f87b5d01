"""Which model, and on what it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from xdub_core.errors import SettingsError
from xdub_core.experts.lora import Lora
from xdub_core.released.manifest import MODELS_VARIABLE
from xdub_core.released.placement import BRANCHES

_option = partial(typer.Option, rich_help_panel="Model")

RELEASED = "released"
MINI = "mini"
UNTRAINED = "untrained"

ModelsDir = Annotated[
    Path | None,
    typer.Option(help=f"Folder of the released files (default: ${MODELS_VARIABLE}, else models/x-dub here)."),
]


class DType(str, Enum):
    """Arithmetic of the model."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@dataclass(frozen=True)
class ModelOptions:
    """The model by its name, its files, and the device."""

    model: Annotated[
        str,
        _option(
            help=f"'{RELEASED}', '{MINI}' (the built-in one, for rendered heads only), the path of an X-Dub "
            f"checkpoint, a folder made by `train mini`, or '{UNTRAINED}' (noise, to try the rest)."
        ),
    ] = RELEASED
    models_dir: ModelsDir = None
    device: Annotated[
        str,
        _option(
            help="auto, cpu, cuda, cuda:1, mps...; or several, as cuda:0,cuda:1: each takes some of guidance's three "
            f"branches. '{MINI}' runs on the CPU alone."
        ),
    ] = "auto"
    dtype: Annotated[
        DType,
        _option(
            help="auto: bfloat16 on a GPU, and on a CPU for a model of over a billion parameters; else float32."
        ),
    ] = DType.AUTO
    low_memory: Annotated[
        bool,
        _option(
            "--low-memory", help="Run guidance's three branches one by one: less memory, a little slower."
        ),
    ] = False
    memory: Annotated[
        str,
        _option(
            metavar="auto|GB",
            help="How much of the GPU's memory to use: all that is free, or so many GB. What does not fit rests in the "
            "computer's memory and comes block by block; `models memory` shows what that means.",
        ),
    ] = "auto"
    float8: Annotated[
        bool,
        _option(
            "--float8",
            help="Keep the released model's large weights in 8 bits: half the memory, and not quite the same numbers.",
        ),
    ] = False
    lora: Annotated[
        list[str] | None,
        _option(
            metavar="FILE[:STRENGTH]",
            help="A LoRA that is added to the weights, of X-Dub or of Wan2.2-TI2V-5B, such as one for few steps; may "
            "be given several times.",
        ),
    ] = None
    expert: Annotated[
        list[str] | None,
        _option(
            metavar="FILE[:STRENGTH]",
            help="A LoRA expert made by X-Dub's trainer, which acts at its own noise levels; may be given "
            "several times.",
        ),
    ] = None

    @property
    def budget(self) -> int | None:
        """Bytes of the device that may be used; None: what is free. Raises SettingsError for what is no number."""
        if self.memory == "auto":
            return None
        try:
            gigabytes = float(self.memory)
        except ValueError:
            gigabytes = math.nan
        if not 0 < gigabytes < math.inf:
            raise SettingsError(f"--memory {self.memory}: give auto, or a number of GB such as 12")
        return round(gigabytes * 1e9)

    @property
    def added(self) -> tuple[tuple[Lora, ...], tuple[Lora, ...]]:
        """The LoRAs and the experts. Raises SettingsError for a strength that is no number."""
        loras = tuple(Lora.parse(text) for text in self.lora or ())
        return loras, tuple(Lora.parse(text, "--expert") for text in self.expert or ())

    @property
    def torch_device(self) -> str:
        """The device, of several the first, with auto settled. Raises SettingsError where PyTorch cannot use it."""
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self._devices[0]

    @property
    def other_devices(self) -> tuple[str, ...]:
        """Those beside the first of several, at most two. Raises SettingsError as `torch_device` does."""
        return () if self.device == "auto" else self._devices[1:]

    @property
    def _devices(self) -> tuple[str, ...]:
        devices = tuple(name.strip() for name in self.device.split(","))
        if len(devices) > BRANCHES or len(set(devices)) < len(devices):
            raise SettingsError(
                f"--device {self.device}: give up to {BRANCHES} different devices, one for each of guidance's branches"
            )
        for device in devices:
            try:
                torch.empty(1, device=device)
            except (RuntimeError, AssertionError, NotImplementedError):
                raise SettingsError(
                    f"--device {device}: PyTorch cannot use it here; try --device cpu"
                ) from None
        return devices

    @property
    def torch_dtype(self) -> torch.dtype | None:
        """What the released model is computed in; None: what suits the model and the device."""
        return None if self.dtype is DType.AUTO else getattr(torch, self.dtype.value)
