"""X-Dub as a MODEL of ComfyUI's: core's own loaders recognise its files and make this of them.

A clip's conditions stand in the CONDITIONING beside the prompt: `REFERENCE`, the normalised reference latents shaped
like the noise, and `AUDIO`, the audio windows [1, frames, 8, width]. Leading latent frames whose noise mask is 0 are
motion latents: clean frames of the clip before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import comfy.conds
import comfy.supported_models
import torch
from comfy.model_base import WAN22, BaseModel, ModelType
from torch import Tensor

from xdub_core.errors import CheckpointError, SamplingError, SettingsError
from xdub_core.model.audio_projection import sinusoid
from xdub_core.model.config import config_from_shapes, config_from_values
from xdub_core.sampling.schedule import SHIFT

from .clip_memory import ClipMemory
from .dit import ComfyDiT
from .latent_format import latent_format

REFERENCE, AUDIO = "xdub_reference", "xdub_audio"


class XDubModel(WAN22):
    """Core's handling of X-Dub's conditions. Core's Wan2.2 brings the noise mask for clean frames."""

    def __init__(self, model_config: Any, device: torch.device | None = None) -> None:
        BaseModel.__init__(self, model_config, ModelType.FLOW, device=device, unet_model=ComfyDiT)
        self.image_to_video = False
        self.memory_usage_factor_conds = ("reference",)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """The conditions of one branch. Raises SamplingError where there are none, or they do not fit the noise."""
        noise, device = kwargs["noise"], kwargs["device"]
        if kwargs.get(REFERENCE) is None or kwargs.get(AUDIO) is None:
            raise SamplingError(
                "X-Dub cannot be sampled with a prompt alone: use Guider (X-Dub) or Sampler (X-Dub), which give "
                "it the reference video and the speech"
            )
        reference, audio = (kwargs[key].to(device, torch.float32) for key in (REFERENCE, AUDIO))
        if reference.shape[1:] != noise.shape[1:]:
            raise SamplingError(
                f"the latent to sample is {list(noise.shape)}, but the reference latents are {list(reference.shape)}: "
                "connect the latent output of the X-Dub Guider"
            )
        conditions = super().extra_conds(**kwargs)
        mask = conditions.pop("denoise_mask", None)
        conditions["reference"] = comfy.conds.CONDNoiseShape(reference)
        conditions["audio"] = comfy.conds.CONDRegular(audio)
        conditions["memory"] = comfy.conds.CONDConstant(ClipMemory())
        conditions["motion_latents"] = comfy.conds.CONDConstant(
            0 if mask is None else clean_frames(mask.cond)
        )
        return conditions

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, list[int]]:
        """Reference latents double the tokens, which the estimate of memory must know."""
        reference = kwargs.get(REFERENCE)
        return {} if reference is None else {"reference": list(reference.shape)}

    def _apply_model(self, *args: Any, memory: ClipMemory | None = None, **kwargs: Any) -> Tensor:
        """Core's hooks change weights in place, which nothing shows: nothing is kept while some are there."""
        hooked = self.current_patcher is not None and self.current_patcher.current_hooks
        return super()._apply_model(
            *args, **kwargs, **({} if memory is None or hooked else {"memory": memory})
        )

    def process_timestep(self, timestep: Tensor, **kwargs: Any) -> Tensor:  # noqa: ARG002 (core's signature)
        """One timestep a clip: the model itself knows which tokens are clean."""
        return timestep


def clean_frames(mask: Tensor) -> int:
    """How many leading frames of a noise mask [1, C, f, h, w] are 0 throughout: the motion latents."""
    noised = (mask.amax(dim=(0, 1, 3, 4)) > 0).nonzero()
    return int(noised[0]) if len(noised) else mask.shape[2]


class XDub(comfy.supported_models.WAN22_T2V):
    """How core recognises X-Dub's files: a Wan with attention to audio in every block. All sizes are the file's."""

    unet_config: dict[str, Any] = {"image_model": "wan2.1", "model_type": "t2v"}  # noqa: RUF012 (core's way)
    required_keys: dict[str, Any] = {  # noqa: RUF012
        "{}audio_embedding.proj_in.weight": {},
        "{}blocks.0.audio_attn.q.weight": {},
    }
    sampling_settings = {"shift": SHIFT}  # noqa: RUF012

    def get_model(
        self, state_dict: Mapping[str, Tensor], prefix: str = "", device: torch.device | None = None
    ) -> XDubModel:
        """Core calls this with the file's tensors. Raises CheckpointError for the generator of stage I."""
        shapes = {name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in state_dict.items()}
        if "xdub" in self.unet_config:  # the file's metadata stated them
            config = config_from_values(self.unet_config["xdub"], shapes, "the checkpoint's metadata")
        else:
            config = config_from_shapes(shapes)
        self.unet_config["xdub"] = asdict(config)
        if config.background:
            raise CheckpointError(
                "this checkpoint is the mask-based generator of stage I, which only makes training data: load the "
                "editor of stage II"
            )
        self.latent_format = latent_format(config.latent_channels)
        return XDubModel(self, device=device)

    def process_unet_state_dict(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        return unpacked_positions(state_dict)


def unpacked_positions(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the audio projection's fixed sinusoids as plain numbers: GGUF files may hold them packed."""
    for name in [name for name in state_dict if name.endswith(".pos_embed.pe")]:
        if getattr(state_dict[name], "tensor_type", None) is not None:
            _, positions, width = state_dict[name].shape
            state_dict[name] = sinusoid(positions, width).unsqueeze(0)
    return state_dict


def register() -> None:
    """Make core recognise X-Dub's files, before it takes them for Wan's."""
    if XDub not in comfy.supported_models.models:
        comfy.supported_models.models.insert(0, XDub)


def require_xdub(model: Any) -> None:
    """Raise SettingsError unless a MODEL is X-Dub."""
    if not isinstance(model.model, XDubModel):
        raise SettingsError(
            f"the model input has a model of another kind ({type(model.model).__name__}): load X-Dub_model.safetensors "
            "with Load Diffusion Model"
        )
