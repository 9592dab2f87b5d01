"""Loading wav2vec2 from a Hugging Face folder or from one safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import parametrize

from xdub_core.audio.wav2vec import Wav2VecEncoder
from xdub_core.errors import CheckpointError
from xdub_core.weights.strict import load_strictly, wrong_file
from xdub_core.weights.tensor_file import TensorFile, json_beside, open_tensors

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
    from transformers.models.wav2vec2 import Wav2Vec2Config

    stored = open_tensors(path)
    names = _names(stored)
    config = json_beside(stored, "config.json")
    ours = config.get("model_type") == "wav2vec2"
    settings = dict(config) if ours else _inferred_config(stored, names)
    settings |= {
        "mask_time_prob": 0.0,  # the masking of training would need an embedding that extraction has no use for
        "mask_feature_prob": 0.0,
    }
    preprocessor = json_beside(stored, "preprocessor_config.json") if ours else {}
    normalize = bool(preprocessor.get("do_normalize", True))
    with torch.device("meta"):
        encoder = Wav2VecEncoder(Wav2Vec2Config(**settings), normalize)
    load_strictly(encoder.model, stored, names, what=_WHOLE, dtype=torch.float32, copy=True)
    conv = encoder.model.encoder.pos_conv_embed.conv
    parametrize.remove_parametrizations(conv, "weight")  # computed once here and not at each call
    return encoder.to(device=device, dtype=dtype).requires_grad_(False)


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


def _inferred_config(stored: TensorFile, names: dict[str, str]) -> dict[str, Any]:
    """The sizes that tensors show; base-960h's strides and head width for what they do not."""

    def shape(name: str) -> tuple[int, ...]:
        if name not in names:
            raise wrong_file(stored, _WHOLE, [f"1 missing ({name})"])
        return stored.shapes[names[name]]

    convs = len({n.split(".")[2] for n in names if n.startswith("feature_extractor.conv_layers.")})
    kernels = [shape(f"feature_extractor.conv_layers.{i}.conv.weight") for i in range(convs)]
    if convs != len(_STRIDES):
        raise CheckpointError(
            f"{stored.path} has {convs} convolutions, not {len(_STRIDES)}: put its config.json beside it."
        )
    width = shape("feature_projection.projection.weight")[0]
    direction = shape("encoder.pos_conv_embed.conv.parametrizations.weight.original1")
    every_layer_normed = "feature_extractor.conv_layers.1.layer_norm.weight" in names
    return {
        "conv_dim": [kernel[0] for kernel in kernels],
        "conv_kernel": [kernel[2] for kernel in kernels],
        "conv_stride": list(_STRIDES),
        "conv_bias": "feature_extractor.conv_layers.0.conv.bias" in names,
        "feat_extract_norm": "layer" if every_layer_normed else "group",
        "do_stable_layer_norm": every_layer_normed,
        "hidden_size": width,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "num_hidden_layers": len({n.split(".")[2] for n in names if n.startswith("encoder.layers.")}),
        "intermediate_size": shape("encoder.layers.0.feed_forward.intermediate_dense.weight")[0],
        "num_conv_pos_embeddings": direction[2],
        "num_conv_pos_embedding_groups": max(1, direction[0] // direction[1]),
    }
