"""Sound as LTX-2's tokens, of exactly the time that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchaudio.functional import resample

from xdub_core.dub_it.times import LATENTS_PER_SECOND
from xdub_core.errors import MediaError
from xdub_core.media.sound.channels import mix_to_mono

from ..media.sound import waveform

CROPPED_TO = 4096
"""Samples. Core's VAE cuts a sound to a multiple of it, the same at both ends, which would move it by up to 46 ms."""
SILENT = 1e-4
"""Peak of a sound that holds no voice."""


def voice_tokens(audio: Mapping[str, Any] | None, audio_vae: Any, latents: int, whole: bool) -> Tensor:
    """Tokens [1, time, 128] of an AUDIO from its start on, `latents` of them.

    `whole`: silence follows a sound that is shorter; else it has fewer tokens. Raises MediaError where there is none.
    """
    sound = heard(audio)
    rate = audio_vae.audio_sample_rate
    sound = resample(sound, int(audio["sample_rate"]), rate)  # type: ignore[index]
    if not whole:
        latents = min(latents, max(1, sound.shape[1] * LATENTS_PER_SECOND // rate))
    return tokens_of(encoded(sound, audio_vae, latents))


def heard(audio: Mapping[str, Any] | None) -> Tensor:
    """An AUDIO as [1 or 2, samples]. Raises MediaError where there is nothing to take a voice from."""
    sound = waveform(audio).float()
    if len(sound) > 2:
        sound = torch.from_numpy(mix_to_mono(sound.cpu().numpy()))[None]
    if sound.abs().max() < SILENT:
        raise MediaError(
            "the sound is silent, and a voice is to be taken from it: connect a recording of it to voice_audio, or set "
            "voice to free"
        )
    return sound


def encoded(sound: Tensor, audio_vae: Any, latents: int) -> Tensor:
    """The first latents [1, 8, latents, 16] of a sound [1 or 2, samples] at the VAE's rate; silence follows it.

    The VAE is causal, so that what is appended and cut off again changes nothing before it.
    """
    wanted = -(-latents * audio_vae.audio_sample_rate // LATENTS_PER_SECOND)
    blocks = -(-wanted // CROPPED_TO) + 1
    sound = sound[:, :wanted]
    sound = torch.nn.functional.pad(sound, (0, blocks * CROPPED_TO - sound.shape[1]))
    return audio_vae.encode(sound.mT[None])[:, :, :latents]


def tokens_of(latents: Tensor) -> Tensor:
    """Latents [batch, 8, time, 16] as the model has them: [batch, time, 128]."""
    return latents.movedim(2, 1).flatten(2)
