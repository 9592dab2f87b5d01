"""What LTX-2 made, as a video: the source's frames in number, size and rate, and sound that lasts as long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from comfy_extras.nodes_lt_audio import LTXVAudioVAEDecode
from torch import Tensor

from xdub_core.dub_it.framing import unframed
from xdub_core.dub_it.joins import joined_sound
from xdub_core.dub_it.segments import Segment
from xdub_core.errors import SettingsError
from xdub_core.media.picture.frame import FinishedFrame

from ..media.frames import frame_from_image
from ..media.result import video_of
from .conditioning import MADE_OF, MadeOf
from .source import Source

DONE = "picture and sound are made anew, speaking other words"


def made_of(latent: Mapping[str, Any]) -> MadeOf:
    """What a sampled LATENT was made of. Raises SettingsError for one that is not of Dub It Conditioning."""
    facts = latent.get(MADE_OF)
    if facts is None or not latent["samples"].is_nested:
        raise SettingsError(
            "the latent is not one of Dub It Conditioning (X-Dub): connect the sampler's output itself, whose latent "
            "comes from there, and not one that was separated or cropped"
        )
    return facts


def source_of_dub(latent: Mapping[str, Any]) -> Source:
    """The video of a LATENT of Dub It Conditioning. Raises SettingsError for another."""
    source = made_of(latent).source
    assert source is not None  # what Dub It samples by itself never leaves it
    return source


def decoded_frames(latent: Mapping[str, Any], vae: Any) -> Tensor:
    """The frames [n, height, width, 3] of a sampled LATENT, in number and size the source's."""
    facts = made_of(latent)
    video = latent["samples"].unbind()[0]
    images = vae.decode(video[:, :, : video.shape[2] - facts.guide_latents])
    return unframed(images.flatten(0, -4)[: facts.frames], facts.framing)


def decoded_sound(latent: Mapping[str, Any], audio_vae: Any) -> dict[str, Any]:
    """The AUDIO of a sampled LATENT, which lasts as long as its frames, to the sample."""
    facts = made_of(latent)
    (audio,) = LTXVAudioVAEDecode.execute({"samples": latent["samples"].unbind()[1]}, audio_vae).args
    rate, whole = audio["sample_rate"], [Segment(0, facts.frames)]
    sound = joined_sound(whole, [audio["waveform"][0].float().cpu().numpy()], facts.fps, rate)
    return {"waveform": torch.from_numpy(sound)[None], "sample_rate": rate}


def guide_frames(latent: Mapping[str, Any], vae: Any) -> Tensor:
    """What the VAE makes of the source's own frames, like `decoded_frames`."""
    facts = made_of(latent)
    video = latent["samples"].unbind()[0]
    images = vae.decode(video[:, :, video.shape[2] - facts.guide_latents :])
    return unframed(images.flatten(0, -4)[: facts.frames], facts.framing)


def video_of_dub(
    frames: Iterable[Tensor | FinishedFrame], source: Source, audio: Mapping[str, Any], quality: int
) -> Any:
    """A VIDEO like the source, at its rate, in ComfyUI's temporary folder; `quality`: CRF.

    `frames`: as they come, finished or [height, width, 3] in 0..1. Its file says that AI made it. Raises MediaError.
    """
    footage = source.footage
    finished = (
        frame if isinstance(frame, FinishedFrame) else FinishedFrame(frame_from_image(frame, footage.deep))
        for frame in frames
    )
    return video_of(finished, footage, [audio], quality, source.fps, done=DONE)
