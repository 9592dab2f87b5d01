"""What files look like: the one table of first bytes and tensor names by which any wrong file is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

Shapes = Mapping[str, tuple[int, ...]]

DIFFUSION_PREFIXES = ("model.diffusion_model.", "diffusion_model.")
"""What ComfyUI and others put before the names of a diffusion model's tensors."""
START_BYTES = 256
"""How much of a file's start `kind_by_first_bytes` wants to see."""
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""The dtypes (safetensors' names) of weights that are not quantised."""


class Kind(Enum):
    """What a model file can be; the value is how a message names it."""

    XDUB = "an X-Dub checkpoint"
    XDUB_QUANTISED = "an X-Dub checkpoint quantised for ComfyUI"
    WAN_5B = "a plain Wan2.2-TI2V-5B checkpoint, without X-Dub's audio layers"
    WAN_OTHER = "a Wan checkpoint of another kind"
    LORA = "a LoRA"
    WAN22_VAE = "the Wan2.2 VAE"
    WAN21_VAE = "a Wan2.1 VAE (16 channels)"
    DIFFUSERS_VAE = "a VAE in diffusers' format"
    VAE = "a VAE of another kind"
    TEXT_ENCODER = "a umT5 text encoder"
    T5 = "a T5 text encoder, not umT5"
    EMPTY_PROMPT = "an empty prompt that this pack kept"
    WHISPER = "a Whisper model"
    WAV2VEC2 = "a wav2vec2 model"
    ENCODER = "an audio or text encoder"
    YOLOX = "a YOLOX detector of mmdet"
    DETECTOR = "another detector of mmdet"
    RTMW = "an RTMW pose network of mmpose"
    RTMPOSE = "an RTMPose network of mmpose (RTMW is needed)"
    MEDIAPIPE = "ComfyUI's MediaPipe face model (for core's own nodes)"
    PICKLE = "a PyTorch pickle"
    GGUF = "a GGUF file"
    ONNX = "an ONNX model, not the PyTorch file of the same network"
    LFS_POINTER = "a Git LFS pointer, not the file itself"
    WEB_PAGE = "a web page, not a model"
    EMPTY = "an empty file"
    UNKNOWN = "not a model file that this pack knows"


_PREFIXES = (*DIFFUSION_PREFIXES, "model.", "wav2vec2.")
_LORA_MARKS = (".lora_A.", ".lora_B.", ".lora_down.", ".lora_up.", "lora_unet_")
_QUANTISED_ENDS = (".scale_weight", ".weight_scale", "scaled_fp8", ".comfy_quant")
_T5_QUERY, _T5_BIAS = "SelfAttention.q.weight", "SelfAttention.relative_attention_bias.weight"
# The first that a name begins with decides, so that the more telling come first. Prefixes are off the names.
_BEGINNINGS = (
    ("bbox_head.multi_level_conv_", Kind.YOLOX),
    ("bbox_head.", Kind.DETECTOR),
    ("head.final_layer2.", Kind.RTMW),
    ("head.gau.", Kind.RTMPOSE),
    ("detector_short.", Kind.MEDIAPIPE),
    ("blocks.0.self_attn.", Kind.WAN_OTHER),
    ("patch_embedding.", Kind.WAN_OTHER),
    ("time_projection.", Kind.WAN_OTHER),
    ("feature_extractor.conv_layers.0.", Kind.WAV2VEC2),
    ("encoder.blocks.0.attn.query.", Kind.WHISPER),
    ("encoder.layers.0.fc1.", Kind.WHISPER),
    ("decoder.token_embedding.", Kind.WHISPER),
    ("blocks.0.pos_embedding.", Kind.TEXT_ENCODER),
    ("token_embedding.", Kind.TEXT_ENCODER),
    ("shared.", Kind.T5),
    ("empty_prompt", Kind.EMPTY_PROMPT),
    ("decoder.mid_block.", Kind.DIFFUSERS_VAE),
    ("encoder.layers.", Kind.ENCODER),
    ("encoder.conv1.", Kind.ENCODER),
    ("decoder.", Kind.VAE),
)


def kind_by_first_bytes(start: bytes) -> Kind | None:
    """What the first START_BYTES of a file tell; None where they may begin a file of tensors."""
    if not start:
        return Kind.EMPTY
    if start.startswith(b"GGUF"):
        return Kind.GGUF
    if start.startswith(b"version https://git-lfs"):
        return Kind.LFS_POINTER
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return Kind.WEB_PAGE
    if start.startswith(b"\x08") and start[8:9] != b"{" and (b"onnx" in start or b"pytorch" in start[:32]):
        return Kind.ONNX
    return None


def begins_torch_file(start: bytes) -> bool:
    """Whether a file begins as a zip archive or a pickle, and not as safetensors whose length has the same bytes."""
    return start.startswith((b"PK", b"\x80")) and start[8:9] != b"{"


def kind_by_names(shapes: Shapes, dtypes: Mapping[str, str] | None = None) -> Kind:
    """What the tensors' names and shapes say. `dtypes`: safetensors' name of each tensor's dtype, where known."""
    if any(mark in name for name in shapes for mark in _LORA_MARKS):
        return Kind.LORA
    bare = {_without_prefix(name): shape for name, shape in shapes.items()}
    if "patch_embedding.weight" in bare and "blocks.0.self_attn.q.weight" in bare:
        if "audio_embedding.proj_in.weight" in bare and "blocks.0.audio_attn.q.weight" in bare:
            return Kind.XDUB_QUANTISED if is_quantised(shapes, dtypes or {}) else Kind.XDUB
        plain_5b = bare["patch_embedding.weight"][:2] == (3072, 48)
        return Kind.WAN_5B if plain_5b else Kind.WAN_OTHER
    if "decoder.conv1.weight" in bare and "encoder.conv1.weight" in bare:
        shape = bare["decoder.conv1.weight"]
        latent_channels = shape[1] if len(shape) > 1 else 0
        return {48: Kind.WAN22_VAE, 16: Kind.WAN21_VAE}.get(latent_channels, Kind.VAE)
    if blocks := sum(name.endswith(_T5_QUERY) for name in bare):
        # umT5 has position biases of its own in every block, T5 shares those of the first.
        biases = sum(name.endswith(_T5_BIAS) for name in bare)
        return Kind.TEXT_ENCODER if biases == blocks else Kind.T5
    found = (kind for start, kind in _BEGINNINGS if any(name.startswith(start) for name in bare))
    return next(found, Kind.UNKNOWN)


def is_quantised(shapes: Shapes, dtypes: Mapping[str, str]) -> bool:
    """Whether tensors are in fp8, or names show the scales of a quantised file."""
    in_fp8 = any(dtype.startswith("F8") for dtype in dtypes.values())
    return in_fp8 or any(name.endswith(_QUANTISED_ENDS) for name in shapes)


def looks_like(shapes: Shapes, dtypes: Mapping[str, str]) -> str:
    """What a file of these tensors seems to be, in words that follow "it looks like"."""
    kind = kind_by_names(shapes, dtypes)
    if kind is Kind.UNKNOWN:
        return f"something unknown, with tensors such as {some(shapes)}" if shapes else "one without tensors"
    quantised = kind is not Kind.XDUB_QUANTISED and is_quantised(shapes, dtypes)
    return f"{kind.value}{', quantised' if quantised else ''}"


def some(names: Iterable[str], count: int = 3) -> str:
    """The first few names, and "..." for the rest."""
    listed = list(names)
    return ", ".join(listed[:count]) + (", ..." if len(listed) > count else "")


def _without_prefix(name: str) -> str:
    return name.removeprefix(next((p for p in _PREFIXES if name.startswith(p)), ""))
