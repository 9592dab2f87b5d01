"""LTX-2 as small as it goes, with random weights: core's own classes, loaded by core's own loaders from state dicts.

Both versions of the transformer, the picture's VAE (8 x 32 x 32, 128 channels), and the sound's with its vocoder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import comfy.ldm.lightricks.av_model
import comfy.ldm.lightricks.vae.audio_vae
import comfy.ldm.lightricks.vae.causal_video_autoencoder
import comfy.model_patcher
import comfy.ops
import comfy.sd
import torch
from comfy.ldm.lightricks.latent_upsampler import LatentUpsampler
from comfy.patcher_extension import copy_nested_dicts
from comfy_api.latest import InputImpl, Types
from comfy_extras.nodes_custom_sampler import CFGGuider, KSamplerSelect, RandomNoise, SamplerCustomAdvanced
from comfy_extras.nodes_lt import LTXVAddGuide
from safetensors.torch import save_file
from torch import Tensor

HEADS, HEAD_DIM, AUDIO_HEAD_DIM = 2, 16, 8
WIDTH, AUDIO_WIDTH = HEADS * HEAD_DIM, HEADS * AUDIO_HEAD_DIM

_COMMON: dict[str, Any] = {
    "in_channels": 128,
    "audio_in_channels": 128,
    "num_attention_heads": HEADS,
    "audio_num_attention_heads": HEADS,
    "attention_head_dim": HEAD_DIM,
    "audio_attention_head_dim": AUDIO_HEAD_DIM,
    "cross_attention_dim": WIDTH,
    "audio_cross_attention_dim": AUDIO_WIDTH,
    "connector_num_layers": 1,
    "causal_temporal_positioning": True,
    "use_middle_indices_grid": True,
    "timestep_scale_multiplier": 1000,
    "av_ca_timestep_scale_multiplier": 1000,
    "rope_type": "split",
    "frequencies_precision": "float64",
}
_OF_VERSION: dict[str, dict[str, Any]] = {
    "2.0": {
        "caption_channels": 24,
        "connector_num_attention_heads": 2,
        "connector_attention_head_dim": 12,
    },
    "2.3": {
        "caption_channels": 24,
        "connector_num_attention_heads": HEADS,
        "connector_attention_head_dim": HEAD_DIM,
        "audio_connector_num_attention_heads": HEADS,
        "audio_connector_attention_head_dim": AUDIO_HEAD_DIM,
        "apply_gated_attention": True,
        "cross_attention_adaln": True,
        "caption_proj_before_connector": True,
        "connector_apply_gated_attention": True,
        "caption_projection_first_linear": False,
    },
}
VERSIONS = tuple(_OF_VERSION)
TEXT_WIDTH = {"2.0": 2 * 24, "2.3": WIDTH + AUDIO_WIDTH}
"""Of text embeddings that need no connector any more."""

_VIDEO_BLOCKS = [
    ["res_x", 1],
    *(["compress_all", 1], ["res_x_y", 1]) * 2,
    *(["compress_all", 1], ["res_x", 1]),
]
_VIDEO_VAE = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "latent_channels": 128,
    "blocks": _VIDEO_BLOCKS,
    "encoder_base_channels": 8,
    "decoder_base_channels": 8,
    "norm_layer": "pixel_norm",
    "patch_size": 4,
    "latent_log_var": "uniform",
    "causal_decoder": False,
}
_ENCODER = {
    "double_z": True,
    "mel_bins": 64,
    "z_channels": 8,
    "resolution": 256,
    "downsample_time": False,
    "in_channels": 2,
    "out_ch": 2,
    "ch": 8,
    "ch_mult": [1, 2, 4],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "dropout": 0.0,
    "mid_block_add_attention": False,
    "norm_type": "pixel",
    "causality_axis": "height",
}
_AUDIO_VAE = {
    "model": {"params": {"ddconfig": _ENCODER, "sampling_rate": 16000}},
    "preprocessing": {"stft": {"filter_length": 1024, "hop_length": 160}},
}
_VOCODER = {"upsample_initial_channel": 64, "resblock": "1", "resblock_kernel_sizes": [3]}
_VOCODER |= {
    "resblock_dilation_sizes": [[1, 3, 5]],
    "upsample_rates": [6, 5, 2, 2, 2],
    "upsample_kernel_sizes": [16, 15, 8, 4, 4],
}


def transformer(version: str, layers: int = 2, seed: int = 0, dtype: torch.dtype | None = None) -> Any:
    """A MODEL of that version; `dtype`: of its weights, as Load Diffusion Model's weight_dtype has it."""
    state, config = transformer_state(version, layers, seed)
    options = {} if dtype is None else {"dtype": dtype}
    return comfy.sd.load_diffusion_model_state_dict(state, options, {"config": json.dumps(config)})


def write_transformer(path: Path, version: str, layers: int = 2, seed: int = 0) -> Path:
    """The same as a file."""
    state, config = transformer_state(version, layers, seed)
    save_file(state, path, {"config": json.dumps(config)})
    return path


State = tuple[dict[str, Tensor], dict[str, Any]]
"""Weights, and the configuration that stands in a file's metadata."""


def transformer_state(version: str, layers: int = 2, seed: int = 0) -> State:
    """Of the transformer alone."""
    config = _COMMON | _OF_VERSION[version] | {"num_layers": layers}
    made = comfy.ldm.lightricks.av_model.LTXAVModel(
        **config, dtype=torch.float32, device="cpu", operations=comfy.ops.disable_weight_init
    )
    return random_state(made, seed), {"transformer": config}


def video_vae_state(seed: int = 1) -> State:
    """Of the VAE of pictures."""
    made = comfy.ldm.lightricks.vae.causal_video_autoencoder.VideoVAE(config=_VIDEO_VAE)
    return random_state(made, seed), {"vae": _VIDEO_VAE}


def audio_vae_state(seed: int = 2) -> State:
    """Of the VAE of sound, whose vocoder makes 24 kHz."""
    config = {"audio_vae": _AUDIO_VAE, "vocoder": _VOCODER}
    made = comfy.ldm.lightricks.vae.audio_vae.AudioVAE(metadata={"config": json.dumps(config)})
    return random_state(made, seed), config


def upscaler_state(seed: int = 6) -> State:
    """Of a spatial upscaler x2; the configuration is not within a section of its own."""
    config = {"in_channels": 128, "mid_channels": 32, "num_blocks_per_stage": 1, "dims": 3}
    made = LatentUpsampler.from_config(config, operations=comfy.ops.disable_weight_init).float()
    return random_state(made, seed), config


def video_vae(seed: int = 1) -> Any:
    """The VAE of pictures."""
    return _vae(*video_vae_state(seed))


def audio_vae(seed: int = 2) -> Any:
    """The VAE of sound."""
    return _vae(*audio_vae_state(seed))


def conditioning(version: str, tokens: int = 5, seed: int = 3) -> list[Any]:
    """CONDITIONING of a text of random words."""
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(1, tokens, TEXT_WIDTH[version], generator=generator), {"frame_rate": 25.0}]]


def random_state(module: torch.nn.Module, seed: int) -> dict[str, Tensor]:
    """A random number for every parameter, sized so that nothing dies or explodes; statistics of unit normals."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in module.state_dict().items():
        columns = value[0].numel() if value.ndim > 1 else 1
        random = torch.randn(value.shape, generator=generator)
        if name.endswith("std-of-means"):
            random = torch.ones(value.shape)
        elif "mean-of-means" in name:
            random = torch.zeros(value.shape)
        elif "norm" in name and name.endswith("weight"):
            random = 1 + 0.1 * random
        elif value.ndim > 1:
            random = random / columns**0.5
        else:
            random = 0.1 * random
        state[name] = random
    return state


def _vae(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Any:
    vae = comfy.sd.VAE(sd=dict(state), metadata={"config": json.dumps(config)})
    vae.throw_exception_if_invalid()
    return vae


@dataclass(frozen=True)
class Scene:
    """One step of a dub: latents of the target, and of the context beside them.

    `given`: how many of the first latent frames are clean.
    """

    video: Tensor
    guide: Tensor
    audio: Tensor
    reference: Tensor
    given: int = 0
    sigma: float = 0.7

    @property
    def size(self) -> int:
        """Tokens of a latent frame."""
        return self.video.shape[3] * self.video.shape[4]

    def mask(self) -> Tensor:
        """1 where the picture is made."""
        frames = self.video.shape[2]
        mask = torch.ones(1, 128, frames + self.guide.shape[2], *self.video.shape[3:])
        mask[:, :, frames:], mask[:, :, : self.given] = 0, 0
        return mask

    def guide_coordinates(self) -> Tensor:
        """As core's LTXVAddGuide sets them for a guide from the first frame on."""
        empty: list[Any] = [[torch.zeros(1, 1, 1), {}]]
        (_, values) = LTXVAddGuide.add_keyframe_index(empty, 0, self.guide, (8, 32, 32))[0]
        return values["keyframe_idxs"]


def scene(seed: int = 4, frames: int = 3, sounds: int = 11, given: int = 0) -> Scene:
    """Random latents."""
    generator = torch.Generator().manual_seed(seed)
    video, guide = (torch.randn(1, 128, frames, 2, 4, generator=generator) for _ in range(2))
    audio, reference = (torch.randn(1, 8, sounds, 16, generator=generator) for _ in range(2))
    return Scene(video, guide, audio, reference, given)


def tokens_of(audio: Tensor) -> Tensor:
    """Latents of sound [batch, 8, time, 16] as tokens [batch, time, 128]."""
    return audio.permute(0, 2, 1, 3).flatten(2)


def source(
    frames: int = 17,
    fps: Fraction = Fraction(25),
    width: int = 96,
    height: int = 64,
    rate: int = 44_100,
    seed: int = 5,
) -> Any:
    """A VIDEO of noise that is smooth, with sound of its length; `rate` 0: without sound."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 4, 4, 6, generator=generator)
    images = torch.nn.functional.interpolate(small, (frames, height, width), mode="trilinear")[0].movedim(
        0, -1
    )
    images = (images * 255).round() / 255  # as a file has them
    sound = torch.randn(1, 2, round(frames / fps * rate), generator=generator)
    audio = {"waveform": 0.1 * sound, "sample_rate": rate} if rate else None
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=audio, frame_rate=fps))


def recorded(model: Any, run: Callable[[], Any]) -> dict[str, Any]:
    """What the transformer is given, and where its tokens stand, in the first step of what `run` samples by a MODEL.

    "video" and "audio": positions [batch, axes, tokens, 2]; else the keyword arguments of its forward.
    """
    transformer, seen = model.model.diffusion_model, {}
    positions, forward = transformer._prepare_positional_embeddings, transformer._forward

    def place(coordinates: Any, *args: Any) -> Any:
        seen.setdefault("video", coordinates[0].clone())
        seen.setdefault("audio", coordinates[1].clone())
        return positions(coordinates, *args)

    def go(*args: Any, **given: Any) -> Any:
        for name, value in given.items():
            seen.setdefault(name, value)
        return forward(*args, **given)

    transformer._prepare_positional_embeddings, transformer._forward = place, go
    try:
        run()
    finally:
        del transformer._prepare_positional_embeddings, transformer._forward
    return seen


def sample(model: Any, positive: Any, negative: Any, latent: Any, steps: int = 2, cfg: float = 3.0) -> Any:
    """By core's own sampler nodes."""
    guider = CFGGuider.execute(model, positive, negative, cfg).args[0]
    sampler, sigmas = KSamplerSelect.execute("euler").args[0], torch.linspace(1, 0, steps + 1)
    return SamplerCustomAdvanced.execute(
        RandomNoise.execute(7).args[0], guider, sampler, sigmas, latent
    ).args[0]


def predict(
    model: Any, version: str, shown: Scene, made: int | None = None, **options: Any
) -> tuple[Tensor, Tensor]:
    """Velocities that a MODEL predicts, by its wrappers, for one step: the picture's with its guide, and the sound's.

    `made`: how many of the sound's latents are; None for all. `options`: transformer options.
    """
    noise = torch.full((1, shown.audio.shape[2], 1), shown.sigma)
    noise[:, shown.audio.shape[2] if made is None else made :] = 0
    mask = shown.mask()
    whole = model.model_options["transformer_options"] | options
    reference = {"tokens": tokens_of(shown.reference)} if shown.reference.numel() else None
    return model.model.diffusion_model(
        [torch.cat((shown.video, shown.guide), 2), shown.audio],
        (shown.sigma * mask[:, :1].flatten(2).movedim(1, 2), noise),
        conditioning(version)[0][0],
        frame_rate=25.0,
        transformer_options=whole | {"wrappers": copy_nested_dicts(model.wrappers)},
        keyframe_idxs=shown.guide_coordinates() if shown.guide.numel() else None,
        denoise_mask=mask,
        ref_audio=reference,
    )


class Words:
    """What is used of a CLIP: a text becomes embeddings that are its own. `heard`: all texts."""

    def __init__(self, version: str) -> None:
        self.version, self.heard = version, list[str]()

    def tokenize(self, text: str) -> str:
        """The text."""
        self.heard.append(text)
        return text

    def encode_from_tokens_scheduled(self, text: str) -> list[Any]:
        """CONDITIONING."""
        return [[conditioning(self.version, seed=sum(text.encode()))[0][0], {}]]


def upscaler(seed: int = 6) -> Any:
    """A LATENT_UPSCALE_MODEL of twice the size, as core's loader makes it of a file."""
    state, config = upscaler_state(seed)
    made = LatentUpsampler.from_config(config, operations=comfy.ops.disable_weight_init).float()
    made.load_state_dict(state)
    cpu = torch.device("cpu")
    return comfy.model_patcher.CoreModelPatcher(made, load_device=cpu, offload_device=cpu)
