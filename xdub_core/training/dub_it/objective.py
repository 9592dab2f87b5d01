"""The objective: a pair's target under noise, its source beside it as context, to the losses of picture and sound.

The transformer comes in as a function (`Velocity`), for it is ComfyUI's own. One noise level for both streams (A.3); in
a share of the steps the target's first latent frame is given, as a dub may give it. The context has neither noise nor
loss: it is not even part of what is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from xdub_core.errors import SettingsError
from xdub_core.experts.adapters import LowRankLayers
from xdub_core.training.batches import Batch
from xdub_core.training.dub_it.timesteps import ShiftedLogitNormal
from xdub_core.training.flow import NoisedTarget, flow_loss, noise_target


@dataclass(frozen=True)
class NoisedPair:
    """What the transformer is given for one step, at noise level `sigma`.

    `video`, `source_video`: [1, 128, frames, height, width], the first without noise in its first `given` frames;
    `audio`, `source_audio`: [1, 8, latents, 16]; `text`: [1, tokens, width], see `records.Pair`.
    """

    video: Tensor
    audio: Tensor
    source_video: Tensor
    source_audio: Tensor
    text: Tensor
    raw_text: bool
    fps: float
    sigma: float
    given: int = 0


class Velocity(Protocol):
    """LTX-2 with the LoRA: velocities (noise - data) of the target's picture and sound, of their shapes.

    Gradients of what comes out reach the LoRA's parameters.
    """

    def __call__(self, pair: NoisedPair) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class PairLoss:
    """How a target is noised and its error weighted.

    `face`, `background`: the weights of the error in the picture; only their ratio counts, for a clip's mean weight is
    1. `audio`: the weight of the sound's. `first_frame`: how often the target's first latent frame is given.
    """

    timesteps: ShiftedLogitNormal = field(default_factory=ShiftedLogitNormal)
    face: float = 1.0
    background: float = 0.1
    audio: float = 1.0
    first_frame: float = 0.1

    def __post_init__(self) -> None:
        if not (self.face > 0 and self.background > 0):
            raise SettingsError(
                f"loss weights of {self.face} in the face and {self.background} behind it: use numbers above 0"
            )
        if not self.audio >= 0:
            raise SettingsError(f"a loss weight of {self.audio} for the sound: use 0 or more")
        if not 0 <= self.first_frame <= 1:
            raise SettingsError(f"a first frame given in a share of {self.first_frame}: use 0 to 1")


class PairObjective(nn.Module):
    """Losses of a pair (`pair_examples`): "loss" of both, "video" and "audio". The LoRA is what it trains.

    `lora` must be attached to the transformer that `velocity` calls, which is no part of this module.
    """

    def __init__(self, lora: LowRankLayers, velocity: Velocity, loss: PairLoss) -> None:
        super().__init__()
        self.lora, self._velocity, self._loss = lora, velocity, loss

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """The losses at a noise level, with noise and a first frame drawn by `generator`, which is on the CPU."""
        settings, clean = self._loss, batch["target_video"].float()
        given = int(torch.rand((), generator=generator).item() < settings.first_frame and clean.shape[2] > 1)
        sigma = settings.timesteps.sample(clean[0, 0].numel(), generator)
        video = noise_target(clean, _noise(clean, generator), sigma, given)
        sound = batch["target_audio"].float().unsqueeze(2)  # [1, 8, 1, latents, 16]: as a picture
        audio = noise_target(sound, _noise(sound, generator), sigma)
        picture, heard = self._velocity(
            NoisedPair(
                video.latents,
                audio.latents.squeeze(2),
                batch["source_video"].float(),
                batch["source_audio"].float(),
                batch["text"],
                bool(batch["raw_text"].item()),
                float(batch["fps"].item()),
                float(sigma.item()),
                given,
            )
        )
        parts = {
            "video": flow_loss(picture, video, self._weights(batch, video)),
            "audio": flow_loss(heard.unsqueeze(2), audio, torch.ones_like(sound[:, :1])),
        }
        return {"loss": parts["video"] + settings.audio * parts["audio"], **parts}

    def _weights(self, batch: Batch, video: NoisedTarget) -> Tensor:
        """Of each latent cell [1, 1, frames, height, width], with a mean of 1 over what is made."""
        if "face" not in batch:
            return torch.ones_like(video.clean[:, :1])
        face = batch["face"].float().unsqueeze(1)
        weights = self._loss.background + (self._loss.face - self._loss.background) * face
        return weights / weights[:, :, video.motion_latents :].mean()


def _noise(clean: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(clean.shape, generator=generator).to(clean)
