"""What the released model needs of a device's memory, told before any work: in bytes, part by part.

Weights are counted. What is computed with them was measured, and is stated here per number that it grows with; where it
was not measured on a device, it is what a CPU takes. Nothing is added for safety, so that nothing is refused that fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.model.dit_file import checkpoint_config
from xdub_core.released.free_memory import free_memory
from xdub_core.released.manifest import find_file, human_size
from xdub_core.released.placement import (
    CACHED_PER_PIXEL,
    DECODED_PER_PIXEL,
    STREAMS,
    DeviceSizes,
    Placement,
)
from xdub_core.weights.identify import FileDescription, describe_file

LARGE = 1_000_000_000
"""On a CPU, a model of more parameters runs on the mapped file's own numbers, and not on a copy in float32."""


@dataclass(frozen=True)
class Part:
    """Something that needs memory, and how many bytes of it."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Plan:
    """How the released model is run: what its memory depends on.

    `changed`: its weights are not the file's own. `resident`: how many of the DiT's blocks stay on the device, and
    `float8`: whether their matrices are kept in 8 bits; see `placement`. `budget`: bytes that it may take of the device
    (None: what is free).
    """

    models_dir: Path
    dit: FileDescription
    settings: DubSettings
    device: str
    dtype: torch.dtype
    batched: bool
    changed: bool = False
    resident: int | None = None
    float8: bool = False
    budget: int | None = None

    def placed(self) -> Plan:
        """The plan with the quickest placement that fits its budget, or of which nothing is known; else the smallest.

        On a CPU nothing is moved, nor where a GPU shares its memory (MPS): there is nowhere else.
        """
        limit = None if torch.device(self.device).type in ("cpu", "mps") else self._limit
        if limit is None:
            return self
        ways = (
            replace(self, batched=way.batched, resident=way.resident)
            for way in self._sizes.placements(self.batched)
        )
        found = self
        for found in ways:
            if _total(found.parts) <= limit:
                break
        return found

    @property
    def _limit(self) -> int | None:
        """Bytes that it may take."""
        return free_memory(self.device) if self.budget is None else self.budget

    @property
    def _sizes(self) -> DeviceSizes:
        settings = self.settings
        return DeviceSizes(
            checkpoint_config(self.dit),
            settings.crop_size,
            settings.geometry.latents,
            self.dtype.itemsize,
            self.float8,
        )

    @property
    def _placement(self) -> Placement:
        return Placement(self.batched, self.resident)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is on the device at once when it is fullest."""
        return max(self._listening(), self._dubbing(), key=_total)

    def check(self) -> None:
        """Raise SettingsError, with the numbers and what helps, unless the device has that much free."""
        parts, free = self.parts, self._limit
        if free is None or _total(parts) <= free:
            return
        listed = ", ".join(f"{part.name} {human_size(part.bytes)}" for part in parts if part.bytes)
        raise SettingsError(
            f"this dub needs about {human_size(_total(parts))} of memory on {self.device} ({listed}), where "
            f"{human_size(max(0, free))} are {'free' if self.budget is None else 'allowed'}: {self._advice()}"
        )

    def _advice(self) -> str:
        helpful = [
            ("--dtype bfloat16", self.dtype is torch.float32),
            ("--low-memory", self.batched and self._on_cpu),
            ("a smaller --crop-size", self.settings.crop_size > 256),
            ("--device cpu", not self._on_cpu),
        ]
        told = [option for option, helps in helpful if helps]
        return f"try {', '.join(told)}, or close other programs" if told else "close other programs"

    def _listening(self) -> tuple[Part, ...]:
        """The encoders run in float32, one after the other's loading, before anything else is loaded."""
        return (
            Part("Whisper", 4 * _numbers(find_file("whisper", self.models_dir), "encoder.")),
            Part("wav2vec2", 4 * _numbers(find_file("wav2vec", self.models_dir))),
        )

    def _dubbing(self) -> tuple[Part, ...]:
        vae = describe_file(find_file("vae", self.models_dir))
        vae_dtype = chosen_vae_dtype(vae, self.device, self.dtype)
        sampling, pixels = sampling_bytes(self), vae_dtype.itemsize * self.settings.crop_size**2
        decoding, kept = DECODED_PER_PIXEL * pixels, STREAMS * CACHED_PER_PIXEL * pixels
        working = max(sampling, decoding) + kept if self._on_cpu else max(sampling, decoding + kept)
        return (
            Part("the model", self._model()),
            Part("its VAE", self._owned(vae, vae_dtype)),
            Part("what is computed with them", working),
        )

    def _model(self) -> int:
        if self._on_cpu and not self.float8:
            return (
                self.dtype.itemsize * self.dit.parameters
                if self.changed
                else self._owned(self.dit, self.dtype)
            )
        return self._sizes.model(self._placement)

    @property
    def _on_cpu(self) -> bool:
        return torch.device(self.device).type == "cpu"

    def _owned(self, found: FileDescription, dtype: torch.dtype) -> int:
        """What a file's tensors take: nothing on a CPU where the mapped file serves as it is."""
        itemsize, name = dtype.itemsize, _NAMES[dtype]
        if not self._on_cpu:
            return itemsize * found.parameters
        return sum(
            itemsize * torch.Size(shape).numel()
            for tensor, shape in found.shapes.items()
            if found.dtypes[tensor] != name
        )


_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def sampling_bytes(plan: Plan) -> int:
    """What sampling a clip takes besides weights: tokens, and the keys and values of text and audio."""
    return plan._sizes.sampling(plan._placement)


def chosen_dtype(dit: FileDescription, device: str) -> torch.dtype:
    """What a checkpoint is computed in where nobody says.

    bfloat16 on a GPU. On a CPU float32, but for a model of more than a billion parameters: that runs on the file's own
    numbers where they are float32 or bfloat16, of which no copy is needed, and else in bfloat16.
    """
    if torch.device(device).type != "cpu":
        return torch.bfloat16
    return torch.float32 if _in_float32(dit) or dit.parameters <= LARGE else torch.bfloat16


def chosen_vae_dtype(vae: FileDescription, device: torch.device | str, dtype: torch.dtype) -> torch.dtype:
    """What the VAE is computed in beside a model in `dtype`: on a CPU in float32, where its file is.

    No copy of the file is needed then, and PyTorch's convolutions in bfloat16 are many times slower on most CPUs.
    """
    return torch.float32 if torch.device(device).type == "cpu" and _in_float32(vae) else dtype


def _in_float32(found: FileDescription) -> bool:
    return sum(dtype == "F32" for dtype in found.dtypes.values()) > len(found.dtypes) / 2


def _numbers(path: Path, start: str = "") -> int:
    """How many numbers a file's tensors have, of those whose names begin so, whatever "model." stands before."""
    shapes = describe_file(path).shapes
    return sum(
        torch.Size(shape).numel()
        for name, shape in shapes.items()
        if name.removeprefix("model.").startswith(start)
    )


def _total(parts: tuple[Part, ...]) -> int:
    return sum(part.bytes for part in parts)
