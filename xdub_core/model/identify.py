"""Tell what a model file is, from its first bytes and its tensor names: nothing is loaded, nothing is executed."""

from __future__ import annotations

import pickle
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from xdub_core.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]

DIFFUSION_PREFIXES = ("model.diffusion_model.", "diffusion_model.")
"""What ComfyUI and others put before the names of a diffusion model's tensors."""


class Kind(Enum):
    """What a model file can be; the value is how a message names it."""

    XDUB = "an X-Dub checkpoint"
    XDUB_QUANTISED = "an X-Dub checkpoint quantised for ComfyUI"
    WAN_5B = "a plain Wan2.2-TI2V-5B checkpoint, without X-Dub's audio layers"
    WAN_OTHER = "a Wan checkpoint of another kind"
    LORA = "a LoRA"
    GGUF = "a GGUF file"
    WAN22_VAE = "the Wan2.2 VAE"
    WAN21_VAE = "a Wan2.1 VAE (16 channels)"
    TEXT_ENCODER = "a umT5 text encoder"
    WHISPER = "a Whisper model"
    WAV2VEC2 = "a wav2vec2 model"
    YOLOX = "a YOLOX detector"
    RTMW = "an RTMW pose model"
    PICKLE = "a PyTorch pickle"
    LFS_POINTER = "a Git LFS pointer, not the file itself"
    WEB_PAGE = "a web page, not a model"
    EMPTY = "an empty file"
    UNKNOWN = "not a model file that this pack knows"


_READABLE_START_BYTES = 64
_LORA_MARKS = (".lora_A.", ".lora_B.", ".lora_down.", ".lora_up.", "lora_unet_")
_SIGNATURES = {
    "blocks.0.pos_embedding.embedding.weight": Kind.TEXT_ENCODER,
    "encoder.block.0.layer.0.SelfAttention.q.weight": Kind.TEXT_ENCODER,
    "encoder.blocks.0.attn.query.weight": Kind.WHISPER,
    "model.encoder.layers.0.fc1.weight": Kind.WHISPER,
    "encoder.layers.0.fc1.weight": Kind.WHISPER,
    "feature_extractor.conv_layers.0.conv.weight": Kind.WAV2VEC2,
    "wav2vec2.feature_extractor.conv_layers.0.conv.weight": Kind.WAV2VEC2,
    "bbox_head.multi_level_conv_cls.0.weight": Kind.YOLOX,
    "head.gau.gamma": Kind.RTMW,
}


@dataclass(frozen=True)
class FileDescription:
    """What is known of a model file without loading it."""

    path: Path
    kind: Kind
    bytes: int
    shapes: Shapes = field(default_factory=dict)
    dtypes: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    pickled: bool = False

    @property
    def parameters(self) -> int:
        return sum(torch.Size(shape).numel() for shape in self.shapes.values())


def describe_file(path: Path | str) -> FileDescription:
    """Describe the model file at `path`.

    `shapes` have their `prefix` (one of DIFFUSION_PREFIXES, or none) taken off.

    Raises CheckpointError when there is no file, or a safetensors file is damaged.
    """
    path = Path(path)
    if not path.is_file():
        reason = "a folder, not a file" if path.is_dir() else "not there"
        raise CheckpointError(f"{path} is {reason}: give the path of a model file")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_READABLE_START_BYTES)
    if kind := _kind_by_first_bytes(start):
        return FileDescription(path, kind, size)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return _describe_pickle(path, size)
    return _describe_safetensors(path, size)


def kind_by_names(shapes: Shapes, dtypes: Mapping[str, int] | None = None) -> Kind:
    """What the tensors' names and shapes say. `dtypes` counts tensors per dtype name."""
    quantised = any(name.startswith("F8") for name in dtypes or {}) or any(
        name.endswith((".scale_weight", ".weight_scale", "scaled_fp8", ".comfy_quant")) for name in shapes
    )
    if any(
        mark in name
        for name in shapes
        for mark in (".lora_A.", ".lora_B.", ".lora_down.", ".lora_up.", "lora_unet_")
    ):
        return Kind.LORA
    if "patch_embedding.weight" in shapes and "blocks.0.self_attn.q.weight" in shapes:
        if "audio_embedding.proj_in.weight" in shapes and "blocks.0.audio_attn.q.weight" in shapes:
            return Kind.XDUB_QUANTISED if quantised else Kind.XDUB
        plain_5b = shapes["patch_embedding.weight"][:2] == (3072, 48)
        return Kind.WAN_5B if plain_5b else Kind.WAN_OTHER
    if "decoder.conv1.weight" in shapes and "encoder.conv1.weight" in shapes:
        latent_channels = shapes["decoder.conv1.weight"][1]
        return {48: Kind.WAN22_VAE, 16: Kind.WAN21_VAE}.get(latent_channels, Kind.UNKNOWN)
    return next((kind for name, kind in _SIGNATURES.items() if name in shapes), Kind.UNKNOWN)


def _kind_by_first_bytes(start: bytes) -> Kind | None:
    if not start:
        return Kind.EMPTY
    if start.startswith(b"GGUF"):
        return Kind.GGUF
    if start.startswith(b"version https://git-lfs"):
        return Kind.LFS_POINTER
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Kind.WEB_PAGE
    return None


def _describe_safetensors(path: Path, size: int) -> FileDescription:
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no iterator)
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            dtypes = Counter(str(part.get_dtype()) for part in slices.values())
            metadata = file.metadata() or {}
    except SafetensorError as error:
        if path.suffix == ".safetensors":
            raise CheckpointError(f"{path} is damaged or cut short ({error}): download it again") from None
        return FileDescription(path, Kind.UNKNOWN, size)
    prefix = next((p for p in DIFFUSION_PREFIXES if any(name.startswith(p) for name in shapes)), "")
    shapes = {name.removeprefix(prefix): shape for name, shape in shapes.items()}
    return FileDescription(path, kind_by_names(shapes, dtypes), size, shapes, dtypes, metadata, prefix)


def _describe_pickle(path: Path, size: int) -> FileDescription:
    try:
        content = torch.load(path, map_location="meta", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
        return FileDescription(
            path, Kind.PICKLE, size, pickled=True
        )  # not tensors alone, or damaged: leave it closed
    while isinstance(content, dict) and (inner := _state_dict_in(content)) is not None:
        content = inner
    tensors = content.items() if isinstance(content, dict) else ()
    found = {name: value for name, value in tensors if isinstance(value, torch.Tensor)}
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    kind = kind_by_names(shapes)
    dtypes = Counter(str(value.dtype).removeprefix("torch.") for value in found.values())
    kind = Kind.PICKLE if kind is Kind.UNKNOWN else kind
    return FileDescription(path, kind, size, shapes, dtypes, pickled=True)


def _state_dict_in(content: dict) -> dict | None:
    for name in ("model_state_dict", "state_dict"):
        if isinstance(content.get(name), dict):
            return content[name]
    return None
