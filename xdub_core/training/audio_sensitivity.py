"""How much a model's error rises with another clip's audio: what tells early whether training uses the audio."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xdub_core.training.batches import Batch
from xdub_core.training.flow import noise_target, per_sample
from xdub_core.training.objective import Objective


@dataclass(frozen=True)
class AudioSensitivity:
    """Mean squared error of the clean latents, predicted in one step, with the right and with another clip's audio.

    Equal errors mean that the audio is ignored.
    """

    right: float
    wrong: float

    @property
    def gain(self) -> float:
        """The share by which the right audio lowers the error."""
        return 1 - self.right / self.wrong if self.wrong else 0.0


@torch.no_grad()
def audio_sensitivity(
    objective: Objective, batch: Batch, sigma: float = 0.7, seed: int = 0
) -> AudioSensitivity:
    """Measured on a batch of two samples or more; the wrong audio is the next sample's.

    Errors are taken where the batch's "lip" mask is, or everywhere without one.
    """
    shuffled = {**batch, "audio": batch["audio"].roll(1, dims=0)}
    return AudioSensitivity(*(_clean_error(objective, some, sigma, seed) for some in (batch, shuffled)))


def _clean_error(objective: Objective, batch: Batch, sigma: float, seed: int) -> float:
    clean = batch["target"].float()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)).to(clean)
    target = noise_target(clean, noise, torch.full((len(clean),), sigma))
    predicted = objective.velocity(batch, target).float()
    error = (per_sample(target.t) * (target.velocity - predicted)).square()
    where: Tensor = batch["lip"].float() if "lip" in batch else torch.ones_like(clean[:, :1])
    return ((error * where).sum() / (where.sum() * clean.shape[1])).item()
