"""The branches of guidance on several devices at once: each has the whole model, and predicts its share of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from xdub_core.sampling.denoiser import ALL, BranchWeights, ClipDenoiser, Denoiser, LatentNeeds, needs_of
from xdub_core.sampling.guidance import Velocities


@dataclass(frozen=True)
class BranchesOnDevices:
    """Denoisers of one and the same model, each on a device of its own. The first is where a lone branch is predicted.

    The branches that count are dealt out in turn, so that a third device serves the third. Numbers are those of one
    device that takes as many branches at a time, as far as the devices compute alike.
    """

    denoisers: Sequence[Denoiser]

    @property
    def needs(self) -> LatentNeeds | None:
        return needs_of(self.denoisers[0])

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> ClipDenoiser:
        return _ClipOnDevices(
            [denoiser.for_clip(reference, audio, motion_latents) for denoiser in self.denoisers]
        )


@dataclass(frozen=True)
class _ClipOnDevices:
    clips: Sequence[ClipDenoiser]

    def __call__(self, latents: Tensor, sigma: float, weights: BranchWeights = ALL) -> Velocities:
        wanted = [number for number, weight in enumerate(weights) if weight]
        shares = [share for share in (wanted[n :: len(self.clips)] for n in range(len(self.clips))) if share]
        with ThreadPoolExecutor(len(shares) or 1) as pool:
            predicted = [
                pool.submit(clip, latents, sigma, _only(weights, share))
                for clip, share in zip(self.clips, shares, strict=False)
            ]
        found = [latents.new_zeros(()).expand_as(latents)] * len(weights)
        for share, future in zip(shares, predicted, strict=True):
            velocities = future.result()
            for number in share:
                found[number] = velocities[number].to(latents)
        return Velocities(*found)


def _only(weights: BranchWeights, share: Sequence[int]) -> BranchWeights:
    """The weights of a share's branches; the others count for nothing."""
    none, reference, both = (weight if number in share else 0.0 for number, weight in enumerate(weights))
    return none, reference, both
