"""What files of every kind begin with, or hold."""

import torch

from xdub_core.weights.kinds import Kind

FIRST_BYTES = {
    Kind.GGUF: b"GGUF\x03\x00\x00\x00",
    Kind.EMPTY: b"",
    Kind.LFS_POINTER: b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
    Kind.WEB_PAGE: b"<!DOCTYPE html><html>",
    Kind.ONNX: b"\x08\x07\x12\x07pytorch\x1a\x051.10",
}

XDUB = {
    "patch_embedding.weight": (3072, 96, 1, 2, 2),
    "blocks.0.self_attn.q.weight": (2,),
    "audio_embedding.proj_in.weight": (2,),
    "blocks.0.audio_attn.q.weight": (2,),
}
_PLAIN = {"patch_embedding.weight": (3072, 48, 1, 2, 2), "blocks.0.self_attn.q.weight": (2,)}
_T5 = {
    "shared.weight": (32128, 2),
    "encoder.block.0.layer.0.SelfAttention.q.weight": (2,),
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (2,),
    "encoder.block.1.layer.0.SelfAttention.q.weight": (2,),
}

SHAPES = [
    (Kind.XDUB, XDUB),
    (Kind.XDUB, {f"model.diffusion_model.{name}": shape for name, shape in XDUB.items()}),
    (Kind.XDUB_QUANTISED, XDUB | {"scaled_fp8": (0,)}),
    (Kind.XDUB_QUANTISED, XDUB | {"blocks.0.self_attn.q.scale_weight": (1,)}),
    (Kind.WAN_5B, _PLAIN),
    (Kind.WAN_OTHER, _PLAIN | {"patch_embedding.weight": (5120, 16, 1, 2, 2)}),
    (Kind.WAN_OTHER, {"blocks.0.self_attn.k.weight": (2,)}),
    (Kind.LORA, {"blocks.0.self_attn.q.lora_A.weight": (4, 8)}),
    (Kind.WAN22_VAE, {"decoder.conv1.weight": (8, 48, 3, 3, 3), "encoder.conv1.weight": (8,)}),
    (Kind.WAN22_VAE, {"model.decoder.conv1.weight": (8, 48, 3, 3, 3), "model.encoder.conv1.weight": (8,)}),
    (Kind.WAN21_VAE, {"decoder.conv1.weight": (8, 16, 3, 3, 3), "encoder.conv1.weight": (8,)}),
    (Kind.DIFFUSERS_VAE, {"decoder.conv_in.weight": (2,), "decoder.mid_block.resnets.0.conv1.weight": (2,)}),
    (Kind.VAE, {"decoder.mid.block_1.conv1.weight": (2,)}),
    (Kind.TEXT_ENCODER, {"token_embedding.weight": (2,), "blocks.0.pos_embedding.embedding.weight": (2,)}),
    (
        Kind.TEXT_ENCODER,
        _T5 | {"encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight": (2,)},
    ),
    (Kind.T5, _T5),
    (Kind.EMPTY_PROMPT, {"empty_prompt": (1, 4096)}),
    (Kind.WHISPER, {"model.encoder.layers.0.fc1.weight": (2,)}),
    (Kind.WHISPER, {"encoder.blocks.0.attn.query.weight": (2,)}),
    (Kind.WAV2VEC2, {"wav2vec2.feature_extractor.conv_layers.0.conv.weight": (2,)}),
    (Kind.WAV2VEC2, {"feature_extractor.conv_layers.0.conv.weight": (2,)}),
    (Kind.ENCODER, {"encoder.layers.0.attention.weight": (2,)}),
    (Kind.YOLOX, {"bbox_head.multi_level_conv_obj.0.weight": (2,), "backbone.stem.conv.conv.weight": (2,)}),
    (Kind.DETECTOR, {"bbox_head.rtm_cls.0.weight": (2,)}),
    (Kind.RTMW, {"head.gau.gamma": (2,), "head.final_layer2.weight": (2,)}),
    (Kind.RTMPOSE, {"head.gau.gamma": (2,)}),
    (Kind.MEDIAPIPE, {"detector_short.a": (2,)}),
    (Kind.UNKNOWN, {"something": (1,)}),
]


def tensors(shapes: dict) -> dict[str, torch.Tensor]:
    """Tensors of these shapes that take next to no room: of one byte, in one value."""
    return {name: torch.zeros(shape, dtype=torch.uint8) for name, shape in shapes.items()}
