"""Loading wav2vec2 from a Hugging Face folder or from one safetensors file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import parametrize

from xdub_core.audio.wav2vec import Wav2VecEncoder
from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.weights.stated import stated
from xdub_core.weights.strict import load_strictly, wrong_file
from xdub_core.weights.tensor_file import UNREADABLE, TensorFile, json_beside, open_tensors

_WHOLE = "a complete wav2vec2 model"
_PREFIX = "wav2vec2."
_HEAD_WIDTH = 64  # of every released wav2vec2; used where there is no config.json
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_WEIGHT_NORM = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}
# Parts of fine-tuned and pre-training checkpoints that are no part of the feature extractor.
_OTHER_PARTS = ("lm_head.", "masked_spec_embed", "quantizer.", "project_hid.", "project_q.")


def load_wav2vec(
    path: str | Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Wav2VecEncoder:
    """Load wav2vec2 (X-Dub was trained with base-960h).

    Args:
        path: a Hugging Face folder (config.json; model.safetensors or pytorch_model.bin; preprocessor_config.json's
            do_normalize is honoured), or one safetensors file. Where no config.json that says wav2vec2 lies beside
            the file, sizes are read off its tensors, and what they do not show is taken from base-960h.
        device, dtype: where and how the weights are kept.

    Raises:
        MissingModelError: nothing there.
        CheckpointError: another kind of file, or an incomplete one.
    """
    stored = open_tensors(path)
    names = _names(stored)
    config = json_beside(stored, "config.json")
    ours = config.get("model_type") == "wav2vec2"
    settings = _stated_architecture(stored, config) if ours else _inferred_architecture(stored, names)
    preprocessor = json_beside(stored, "preprocessor_config.json") if ours else {}
    normalize = preprocessor.get("do_normalize", True)
    if not isinstance(normalize, bool):
        path = stored.path.parent / "preprocessor_config.json"
        raise CheckpointError(
            f"{path} states do_normalize as {normalize!r:.40}, and not as true or false: get the folder again"
        )
    encoder = _hollow(stored, names, settings, normalize)
    load_strictly(encoder.model, stored, names, what=_WHOLE, dtype=torch.float32, copy=True)
    conv = encoder.model.encoder.pos_conv_embed.conv
    parametrize.remove_parametrizations(conv, "weight")  # computed once here and not at each call
    return encoder.to(device=device, dtype=dtype).requires_grad_(False)


@dataclass(frozen=True)
class _Architecture:
    """What of a config.json makes the network; the rest is for training. The defaults are base-960h's."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    feat_extract_activation: str = "gelu"
    feat_extract_norm: str = "group"
    layer_norm_eps: float = 1e-5
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_stride: tuple[int, ...] = _STRIDES
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    do_stable_layer_norm: bool = False

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise SettingsError(
                f"{self.num_attention_heads} attention heads in a width of {self.hidden_size}"
            )
        if not len(self.conv_dim) == len(self.conv_stride) == len(self.conv_kernel) > 0:
            raise SettingsError("convolutions whose widths, strides and kernels are not of one number")


def _stated_architecture(stored: TensorFile, config: Mapping[str, Any]) -> _Architecture:
    known = [field.name for field in fields(_Architecture)]
    values = {name: config[name] for name in known if name in config}
    return stated(_Architecture, values, str(stored.path.parent / "config.json"), optional=known)


def _hollow(
    stored: TensorFile, names: dict[str, str], settings: _Architecture, normalize: bool
) -> Wav2VecEncoder:
    """The network on the meta device. Raises CheckpointError where its sizes make none, or are not the file's."""
    from transformers.models.wav2vec2 import Wav2Vec2Config

    if (layers := _count(names, "encoder.layers.")) != settings.num_hidden_layers:
        problem = f"its config.json states {settings.num_hidden_layers} layers, and it has {layers}"
        raise wrong_file(stored, _WHOLE, [problem])
    # Masking is for training, and would need an embedding that not all files have.
    sizes: dict[str, Any] = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
    sizes |= {name: _listed(value) for name, value in asdict(settings).items()}
    try:
        with torch.device("meta"):
            config = Wav2Vec2Config(**sizes)
            return Wav2VecEncoder(config, normalize)
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise wrong_file(stored, _WHOLE, [f"its sizes make no network ({reason})"]) from error


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _count(names: Iterable[str], start: str) -> int:
    """How many numbers follow `start` in the names."""
    return len({name.removeprefix(start).split(".")[0] for name in names if name.startswith(start)})


def _names(stored: TensorFile) -> dict[str, str]:
    """transformers' name of each tensor -> its name in the file."""
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in stored.shapes) else ""
    if f"{prefix}feature_extractor.conv_layers.0.conv.weight" not in stored.shapes:
        raise wrong_file(stored, "a wav2vec2 model", advice="give wav2vec2-base-960h")
    names = {}
    for stored_name in stored.shapes:
        name = stored_name.removeprefix(prefix)
        if name.startswith(_OTHER_PARTS):
            continue
        parent, _, last = name.rpartition(".")
        names[f"{parent}.{_WEIGHT_NORM[last]}" if last in _WEIGHT_NORM else name] = stored_name
    return names


def _inferred_architecture(stored: TensorFile, names: dict[str, str]) -> _Architecture:
    """The sizes that tensors show; base-960h's strides and head width for what they do not."""

    def shape(name: str, axes: int) -> tuple[int, ...]:
        if name not in names:
            raise wrong_file(stored, _WHOLE, [f"1 missing ({name})"])
        found = stored.shapes[names[name]]
        if len(found) != axes or not all(found):
            raise wrong_file(stored, _WHOLE, [f"1 of another size ({names[name]} is {list(found)})"])
        return found

    convs = _count(names, "feature_extractor.conv_layers.")
    if convs != len(_STRIDES):
        raise CheckpointError(
            f"{stored.path} has {convs} convolutions, not {len(_STRIDES)}: put its config.json beside it."
        )
    kernels = [shape(f"feature_extractor.conv_layers.{i}.conv.weight", 3) for i in range(convs)]
    width = shape("feature_projection.projection.weight", 2)[0]
    direction = shape("encoder.pos_conv_embed.conv.parametrizations.weight.original1", 3)
    every_layer_normed = "feature_extractor.conv_layers.1.layer_norm.weight" in names
    try:
        return _Architecture(
            conv_dim=tuple(kernel[0] for kernel in kernels),
            conv_kernel=tuple(kernel[2] for kernel in kernels),
            conv_bias="feature_extractor.conv_layers.0.conv.bias" in names,
            feat_extract_norm="layer" if every_layer_normed else "group",
            do_stable_layer_norm=every_layer_normed,
            hidden_size=width,
            num_attention_heads=max(1, width // _HEAD_WIDTH),
            num_hidden_layers=_count(names, "encoder.layers."),
            intermediate_size=shape("encoder.layers.0.feed_forward.intermediate_dense.weight", 2)[0],
            num_conv_pos_embeddings=direction[2],
            num_conv_pos_embedding_groups=max(1, direction[0] // direction[1]),
        )
    except SettingsError as error:
        raise wrong_file(stored, _WHOLE, [f"it has {error}"]) from None
