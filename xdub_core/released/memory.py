"""What the released model needs of a device's memory, told before any work: in bytes, part by part.

Weights are counted. What is computed with them was measured, and is stated here per number that it grows with; where it
was not measured on a device, it is what a CPU takes. Nothing is added for safety, so that nothing is refused that fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT
from xdub_core.model.dit_file import checkpoint_config
from xdub_core.released.empty_prompt import CONTEXT_ROWS
from xdub_core.released.free_memory import free_memory
from xdub_core.released.manifest import find_file, human_size
from xdub_core.vae.grid import WAN_GRID
from xdub_core.weights.identify import FileDescription, describe_file

LARGE = 1_000_000_000
"""On a CPU, a model of more parameters runs on the mapped file's own numbers, and not on a copy in float32."""
BRANCHES = 3
TOKENS_HELD = 7
"""How many tensors the size of all tokens exist at once in the DiT (benchmarks/dit_forward.py: 6.7 to 10)."""
CACHED_PER_PIXEL = 1784
"""Numbers that the Wan2.2 VAE's decoder keeps per pixel of the crop, for each stream (counted on the meta device)."""
DECODED_PER_PIXEL = 2000
"""Numbers that exist at once per pixel of the crop while a latent is decoded, beside what is kept (counted there)."""
STREAMS = 2
"""Of the generated crops and of the source's; while a clip is sampled, both rest in the CPU's memory."""


@dataclass(frozen=True)
class Part:
    """Something that needs memory, and how many bytes of it."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Plan:
    """How the released model is run: what its memory depends on; `changed`: its weights are not the file's own."""

    models_dir: Path
    dit: FileDescription
    settings: DubSettings
    device: str
    dtype: torch.dtype
    batched: bool
    changed: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is on the device at once when it is fullest."""
        return max(self._listening(), self._dubbing(), key=_total)

    def check(self) -> None:
        """Raise SettingsError, with the numbers and what helps, unless the device has that much free."""
        parts, free = self.parts, free_memory(self.device)
        if free is None or _total(parts) <= free:
            return
        listed = ", ".join(f"{part.name} {human_size(part.bytes)}" for part in parts if part.bytes)
        raise SettingsError(
            f"this dub needs about {human_size(_total(parts))} of memory on {self.device} ({listed}), where "
            f"{human_size(max(0, free))} are free: {self._advice()}"
        )

    def _advice(self) -> str:
        helpful = [
            ("--dtype bfloat16", self.dtype is torch.float32),
            ("--low-memory", self.batched),
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
        owned = self._owned(self.dit, self.dtype)
        decoding, kept = DECODED_PER_PIXEL * pixels, STREAMS * CACHED_PER_PIXEL * pixels
        working = max(sampling, decoding) + kept if self._on_cpu else max(sampling, decoding + kept)
        return (
            Part("the model", self.dtype.itemsize * self.dit.parameters if self.changed else owned),
            Part("its VAE", self._owned(vae, vae_dtype)),
            Part("what is computed with them", working),
        )

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
    config, settings = checkpoint_config(plan.dit), plan.settings
    frames, side = settings.geometry.latents, settings.crop_size // WAN_GRID.spatial
    tokens = 2 * frames * side**2 // prod(config.patch)
    branches = BRANCHES if plan.batched else 1
    attended = CONTEXT_ROWS + (branches if plan.batched else 2) * frames * AUDIO_TOKENS_PER_LATENT
    numbers = TOKENS_HELD * branches * tokens + 2 * config.layers * attended
    return plan.dtype.itemsize * config.dim * numbers


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
