"""What the model is conditioned on, and which of it is left out so that guidance works at inference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.training.flow import per_sample


@dataclass(frozen=True)
class Conditions:
    """The conditions of a batch.

    `context`: embedded text [1 or batch, tokens, text_dim]; `audio`: windows [batch, latent frames, 8, audio_dim];
    `reference`: clean latents [batch, channels, n, height, width], n single frames for the generator and the whole
    clip for the editor; `background`: latents of the masked clip, for the generator alone.
    """

    context: Tensor
    audio: Tensor
    reference: Tensor
    background: Tensor | None = None


@dataclass(frozen=True)
class ConditionDropout:
    """How often conditions are left out: the audio alone, or both the audio and the reference.

    A missing condition is zeros, as in the three branches of the sampler (released model §4): "reference" is trained
    by `audio`, "none" by `both`. The probabilities are not in the paper.
    """

    audio: float = 0.1
    both: float = 0.1

    def __post_init__(self) -> None:
        if min(self.audio, self.both) < 0 or self.audio + self.both > 1:
            raise SettingsError(
                f"conditions dropped with probabilities {self.audio} (audio) and {self.both} (both): "
                "use numbers of 0 or more whose sum is at most 1"
            )


@dataclass(frozen=True)
class Kept:
    """Which samples of a batch still have their audio and their reference, bool [batch] on the CPU."""

    audio: Tensor
    reference: Tensor


def draw_kept(count: int, dropout: ConditionDropout, generator: torch.Generator) -> Kept:
    """Draw for each of `count` samples what it keeps."""
    chance = torch.rand(count, generator=generator)
    return Kept(audio=chance >= dropout.audio + dropout.both, reference=chance >= dropout.both)


def drop_conditions(conditions: Conditions, kept: Kept) -> Conditions:
    """The conditions with zeros for what is not kept. The background always stays."""
    audio = kept.audio.to(conditions.audio).view(-1, 1, 1, 1)
    reference = per_sample(kept.reference.to(conditions.reference))
    return replace(conditions, audio=conditions.audio * audio, reference=conditions.reference * reference)
