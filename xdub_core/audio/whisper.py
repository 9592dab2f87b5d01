"""Whisper's audio encoder, up to the last block: 50 features a second (released model §3).

The text decoder is neither built nor read. Loads OpenAI's `.pt` (`dims` + `model_state_dict`), a Hugging Face
folder, or one safetensors file with Hugging Face's or OpenAI's names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xdub_core.audio.log_mel import MEL_BINS
from xdub_core.errors import CheckpointError
from xdub_core.weights.strict import load_strictly, wrong_file
from xdub_core.weights.tensor_file import TensorFile, json_beside, open_tensors

_WHOLE = "a complete Whisper encoder"
_HEAD_WIDTH = 64  # of every released Whisper; used where a file does not say how many heads there are
_OPENAI_NAMES = (
    (r"\battn\.query\b", "self_attn.q_proj"),
    (r"\battn\.key\b", "self_attn.k_proj"),
    (r"\battn\.value\b", "self_attn.v_proj"),
    (r"\battn\.out\b", "self_attn.out_proj"),
    (r"\battn_ln\b", "self_attn_layer_norm"),
    (r"\bmlp\.0\b", "fc1"),
    (r"\bmlp\.2\b", "fc2"),
    (r"\bmlp_ln\b", "final_layer_norm"),
    (r"^blocks\.", "layers."),
    (r"^positional_embedding$", "embed_positions.weight"),
    (r"^ln_post\b", "layer_norm"),
)


@dataclass(frozen=True)
class WhisperSizes:
    """Sizes of a Whisper encoder. Large-v2, the one that X-Dub was trained with, is the default.

    Attributes:
        mels: mel bins of the input.
        positions: rows of output per chunk; a chunk has twice as many mel frames.
        width, heads, layers, inner: of the transformer (inner: of its feed-forward layers).
    """

    mels: int = MEL_BINS
    positions: int = 1500
    width: int = 1280
    heads: int = 20
    layers: int = 32
    inner: int = 5120


class WhisperAudioEncoder(nn.Module):
    """One chunk of log-mel frames in, one row per two frames out, before the final layer norm.

    Parameters may be moved, cast or offloaded by a host at any time: each call follows where they are.
    """

    def __init__(self, sizes: WhisperSizes) -> None:
        super().__init__()
        from transformers.models.whisper import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        self.sizes = sizes
        config = WhisperConfig(
            num_mel_bins=sizes.mels,
            max_source_positions=sizes.positions,
            d_model=sizes.width,
            encoder_layers=sizes.layers,
            encoder_attention_heads=sizes.heads,
            encoder_ffn_dim=sizes.inner,
            activation_function="gelu",
        )
        self.encoder: Any = WhisperEncoder(config)
        self.encoder.add_module("layer_norm", nn.Identity())  # the features are the last block's output
        self.eval().requires_grad_(False)

    @property
    def width(self) -> int:
        """Values per row of features."""
        return self.sizes.width

    @property
    def chunk_frames(self) -> int:
        """Mel frames per chunk (3000: thirty seconds)."""
        return 2 * self.sizes.positions

    @torch.no_grad()
    def encode(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Features of one chunk.

        Args:
            log_mel: float [mels, n], n up to `chunk_frames`; a shorter chunk is filled up with zeros.

        Returns:
            float32 [n // 2, width] on the CPU.
        """
        frames = log_mel.shape[1]
        weight = self.encoder.conv1.weight
        chunk = nn.functional.pad(log_mel, (0, self.chunk_frames - frames))[None]
        rows = self.encoder(chunk.to(device=weight.device, dtype=weight.dtype)).last_hidden_state[0]
        return rows[: frames // 2].float().cpu()


def load_whisper(
    path: str | Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> WhisperAudioEncoder:
    """Load Whisper's encoder from any of its file formats.

    Args:
        path: OpenAI's `.pt`, a Hugging Face folder, or a safetensors file (sizes from a config.json beside it that
            says whisper, else from the tensors).
        device, dtype: where and how the weights are kept.

    Raises:
        MissingModelError: nothing there.
        CheckpointError: another kind of file, incomplete, or Whisper large-v3 (128 mel bins).
    """
    stored = open_tensors(path)
    names = _encoder_names(stored)
    sizes = _sizes(stored, names)
    if sizes.mels != MEL_BINS:
        hint = "this is Whisper large-v3; " if sizes.mels == 128 else ""
        raise CheckpointError(
            f"{stored.path} takes {sizes.mels} mel bins, not {MEL_BINS}: {hint}X-Dub needs Whisper large-v2."
        )
    with torch.device("meta"):
        encoder = WhisperAudioEncoder(sizes)
    del names["layer_norm.weight"], names["layer_norm.bias"]  # the final norm, which is not applied
    load_strictly(encoder.encoder, stored, names, what=_WHOLE, dtype=dtype, device=device, copy=True)
    return encoder


def _encoder_names(stored: TensorFile) -> dict[str, str]:
    """transformers' name of each encoder tensor -> its name in the file."""
    prefix = next((p for p in ("model.encoder.", "encoder.") if f"{p}conv1.weight" in stored.shapes), None)
    if prefix is None:
        raise wrong_file(
            stored, "a Whisper model", advice="give large-v2.pt, or a Hugging Face whisper-large-v2"
        )
    names = {}
    for stored_name in stored.shapes:
        if not stored_name.startswith(prefix):
            continue  # the decoder's
        name = stored_name.removeprefix(prefix)
        for pattern, replacement in _OPENAI_NAMES:
            name = re.sub(pattern, replacement, name)
        names[name] = stored_name
    needed = ("layer_norm.weight", "layer_norm.bias", "embed_positions.weight", "layers.0.fc1.weight")
    missing = [name for name in needed if name not in names]
    if missing:
        raise wrong_file(stored, _WHOLE, [f"{len(missing)} missing ({', '.join(missing)})"])
    return names


def _sizes(stored: TensorFile, names: dict[str, str]) -> WhisperSizes:
    """Sizes from the tensors; the number of heads, which no tensor shows, from `dims` or config.json."""

    def shape(name: str, axes: int) -> tuple[int, ...]:
        found = stored.shapes[names[name]]
        if len(found) != axes or not all(found):
            raise wrong_file(stored, _WHOLE, [f"1 of another size ({names[name]} is {list(found)})"])
        return found

    width, mels, _ = shape("conv1.weight", 3)
    config = json_beside(stored, "config.json")
    if config.get("model_type") != "whisper":
        config = {}
    dims = stored.extras.get("dims")
    stated = dims.get("n_audio_head") if isinstance(dims, dict) else None
    heads = stated or config.get("encoder_attention_heads") or max(1, width // _HEAD_WIDTH)
    if type(heads) is not int or heads < 1 or width % heads:
        raise CheckpointError(
            f"{stored.path}: {heads!r:.40} attention heads do not divide a width of {width}."
        )
    return WhisperSizes(
        mels=mels,
        positions=shape("embed_positions.weight", 2)[0],
        width=width,
        heads=heads,
        layers=len({name.split(".")[1] for name in names if name.startswith("layers.")}),
        inner=shape("layers.0.fc1.weight", 2)[0],
    )
