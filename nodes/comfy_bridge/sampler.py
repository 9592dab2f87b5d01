"""All clips of a planned dub, sampled in the engine's chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.dub.clip_chain import ClipChain
from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipOutcome
from xdub_core.dub.crops import FinishCrop
from xdub_core.dub.observer import NOBODY, DubObserver, ShotObserver, middle_of
from xdub_core.progress import Progress, Stage

from .clip_sampler import ComfyClipSampler
from .guider import require_fit
from .host.progress import NodeProgress, interruptible
from .mini import warn_of_real_crops
from .types import ReferenceLatents, SpeechFeatures


def sample_shots(
    sampler: ComfyClipSampler,
    reference: ReferenceLatents,
    speech: SpeechFeatures,
    finish: FinishCrop,
    as_released: bool = False,
    retries: int = 0,
    observer: DubObserver = NOBODY,
) -> list[Tensor]:
    """The clips' latents, one batch [clips, C, f, h, w] for each shot, as the VAE knows them.

    `finish` is done to the frames that the next clip goes on from; `retries`: see `ClipChain`; `observer` is told
    of the clips.

    Raises SettingsError where the parts are not of one model.
    """
    model = sampler.model
    require_fit(model, reference, speech)
    warn_of_real_crops(model, reference)
    progress = NodeProgress()
    progress.preview_with(model)
    steps = reference.clips * sampler.steps
    done = count(1)

    def show(prediction: Tensor) -> None:
        progress.show(prediction)
        step = min(next(done), steps)  # more, where a clip is sampled again
        progress(Progress(Stage.CLIPS, step, steps, f"step {step} of {steps}"))

    sampler = replace(sampler, show=show)
    chain = ClipChain(
        reference.vae, sampler, reference.geometry, finish, as_released=as_released, retries=retries
    )
    return [
        model.model.process_latent_out(
            torch.cat(_sampled(chain, speech.features, place, reference, observer))
        )
        for place in range(len(reference.shots))
    ]


def _sampled(
    chain: ClipChain,
    features: AudioFeatures,
    place: int,
    reference: ReferenceLatents,
    observer: DubObserver,
) -> list[Tensor]:
    """The latents of the shot in that place."""
    shot, watching = reference.shots[place], Collecting(observer, 0, place, chain.sampler)
    crops, clips = _numpy(reference.crops, shot.slots), shot.clips
    made = chain.run(features, crops, clips, watching, source_latents=shot.latents)
    picture = middle_of(clips[-1], shot.frames)
    frames = watching.watched(interruptible(made), shot.frames, clips)
    for frame, _ in enumerate(frames, clips[0].start):
        # Nobody goes on from the last clip, so it need not be decoded; but where it was judged it is.
        if len(watching.latents) == len(clips) and (not chain.retries or frame >= picture):
            break
    return watching.latents


@dataclass(frozen=True)
class Collecting(ShotObserver):
    """Collects the clips' latents as well."""

    latents: list[Tensor] = field(default_factory=list)

    def made(self, clip: Clip, outcome: ClipOutcome, latents: Tensor) -> None:
        self.latents.append(latents)
        super().made(clip, outcome, latents)


def _numpy(crops: Tensor, slots: np.ndarray) -> Iterator[np.ndarray]:
    return (crops[slot].float().cpu().numpy() for slot in slots)
