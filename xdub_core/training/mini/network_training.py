"""All the small networks, one after the other: what `train mini` does before the model's own two stages.

    phonemes ─ sync          (the SyncNet's audio is the recogniser's features)
    VAE, landmarks, identity

Each goes on where it was stopped; what is done is loaded from the bundle's folder, not made again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xdub_core.heads.dataset import AnnotatedClip, TalkingHeads
from xdub_core.heads.visemes import VISEMES
from xdub_core.mini.face_landmarks import LandmarkConfig, LandmarkFinder
from xdub_core.mini.identity_net import IdentityConfig
from xdub_core.mini.network_files import MiniNetworks, load_network, save_network
from xdub_core.mini.phonemes import PhonemeConfig, PhonemeNet
from xdub_core.mini.syncnet import SyncConfig
from xdub_core.mini.vae_net import VAEConfig
from xdub_core.progress import Progress, ProgressCallback, ignore_progress
from xdub_core.training.mini.identity_training import IdentityTraining, train_identity
from xdub_core.training.mini.landmark_training import LandmarkTraining, landmark_error, train_landmarks
from xdub_core.training.mini.network_examples import (
    identity_example,
    landmark_example,
    speech_example,
    sync_example,
    vae_example,
)
from xdub_core.training.mini.nonsense_speech import NonsenseSpeech, make_recordings
from xdub_core.training.mini.phoneme_training import PhonemeTraining, phoneme_accuracy, train_phonemes
from xdub_core.training.mini.small_network import NetworkSettings
from xdub_core.training.mini.sync_training import SyncTraining, train_sync
from xdub_core.training.mini.vae_training import VAETraining, train_vae, vae_quality

logger = logging.getLogger(__name__)

STATES = "states"
"""Subfolder for the states that training is resumed from; it may be deleted when all is done."""
_KEPT_ASIDE = 5
"""Every fifth person is not trained on, but calibrated and measured with."""


@dataclass(frozen=True)
class NetworkTrainings:
    """How each network is trained; `chatter` (its name in saved recipes): the phoneme recogniser's nonsense speech."""

    chatter: NonsenseSpeech = field(default_factory=NonsenseSpeech)
    vae: VAETraining = field(default_factory=VAETraining)
    phonemes: PhonemeTraining = field(default_factory=lambda: PhonemeTraining(PhonemeConfig(len(VISEMES))))
    sync: SyncTraining = field(default_factory=SyncTraining)
    landmarks: LandmarkTraining = field(default_factory=LandmarkTraining)
    identity: IdentityTraining = field(default_factory=IdentityTraining)


def tiny_trainings() -> NetworkTrainings:
    """Networks that take seconds and are good for nothing but going through the motions."""
    vae = VAEConfig(
        channels=8,
        frame_width=16,
        latent_width=16,
        decoder_width=16,
        decoder_frame_width=16,
        fine_width=8,
        fine_blocks=1,
    )

    def few(batch_size: int) -> NetworkSettings:
        return NetworkSettings(steps=4, batch_size=batch_size, warmup=2, checkpoint_every=2)

    return NetworkTrainings(
        chatter=NonsenseSpeech(6, (3, 6)),
        vae=VAETraining(vae, trainer=few(2), window=5),
        phonemes=PhonemeTraining(
            PhonemeConfig(len(VISEMES), width=16, hidden=16, dilations=(1, 2)), few(2), rows=40
        ),
        sync=SyncTraining(
            SyncConfig(audio_width=16, crop=16, picture_width=4, hidden=16, width=8), few(2), frames=10
        ),
        landmarks=LandmarkTraining(LandmarkConfig(fine=8, coarse=8), few(2)),
        identity=IdentityTraining(
            IdentityConfig(side=24, widths=(8, 8), width=8),
            replace(few(8), steps=30, warmup=5, learning_rate=3e-3),
        ),
    )


def train_networks(
    heads: TalkingHeads,
    folder: Path,
    trainings: NetworkTrainings | None = None,
    on_progress: ProgressCallback = ignore_progress,
    device: torch.device | str = "cpu",
    workers: int = 1,
) -> MiniNetworks:
    """Train what `folder` does not hold yet, save it there, and return all of it on the CPU, frozen.

    `heads`: the training split; all its clips are kept in RAM meanwhile (1.7 MB each at the usual size). Every fifth
    person is kept aside to calibrate and measure with. `workers` processes synthesise the nonsense speech. Quality is
    logged. Raises what `train` raises, MissingModelError without espeak-ng.
    """
    return _Networks(heads, folder, trainings or NetworkTrainings(), on_progress, device, workers).all()


@dataclass(frozen=True)
class _Networks:
    heads: TalkingHeads
    folder: Path
    trainings: NetworkTrainings
    on_progress: ProgressCallback
    device: torch.device | str
    workers: int

    def all(self) -> MiniNetworks:
        phonemes: PhonemeNet = self._made("phonemes", self._phonemes)
        sync = self._made("sync", partial(self._sync, phonemes))
        vae = self._made("codec", self._vae)
        return MiniNetworks(vae, phonemes, sync, self._landmarks(), self._made("identity", self._identity))

    def _made(self, name: str, make: Callable[[Path], nn.Module]) -> Any:
        if not (self.folder / f"{name}.safetensors").exists():
            save_network(name, make(self.folder / STATES / f"{name}.state"), self.folder)
        return load_network(name, self.folder)

    @cached_property
    def clips(self) -> Sequence[AnnotatedClip]:
        return [self.heads[number] for number in range(len(self.heads))]

    @property
    def seen(self) -> Sequence[AnnotatedClip]:
        """The clips to train on."""
        return [clip for clip in self.clips if clip.identity % _KEPT_ASIDE]

    @property
    def aside(self) -> Sequence[AnnotatedClip]:
        """Those of the people who are kept aside."""
        return [clip for clip in self.clips if not clip.identity % _KEPT_ASIDE]

    def _phonemes(self, state: Path) -> PhonemeNet:
        """Never trained on the clips, so that it recognises their speech no better than anyone's."""

        def count(done: int, total: int) -> None:
            self.on_progress(Progress("speaking", done, total))

        recordings = make_recordings(self.trainings.chatter, self.workers, count)
        network = train_phonemes(recordings, self.trainings.phonemes, state, self.on_progress, self.device)
        accuracy = phoneme_accuracy(network, [speech_example(clip) for clip in self.clips])
        logger.info("phonemes: %.1f%% of the rows of the clips' speech are recognised", 100 * accuracy)
        return network

    def _sync(self, phonemes: PhonemeNet, state: Path) -> nn.Module:
        examples = [sync_example(clip, phonemes) for clip in self.seen]
        return train_sync(examples, self.trainings.sync, state, self.on_progress, self.device)

    def _vae(self, state: Path) -> nn.Module:
        seen = [vae_example(clip) for clip in self.seen]
        network = train_vae(seen, self.trainings.vae, state, self.on_progress, self.device)
        quality = vae_quality(network, [vae_example(clip) for clip in self.aside], self.trainings.vae.window)
        logger.info(
            "VAE: %.1f dB, %.1f dB at the mouth, of people kept aside", quality.psnr, quality.mouth_psnr
        )
        return network

    def _identity(self, state: Path) -> nn.Module:
        seen, aside = ([identity_example(clip) for clip in clips] for clips in (self.seen, self.aside))
        return train_identity(seen, self.trainings.identity, state, self.on_progress, self.device, aside)

    def _landmarks(self) -> LandmarkFinder:
        names = ("landmarks_far", "landmarks_near")
        if not all((self.folder / f"{name}.safetensors").exists() for name in names):
            seen = [landmark_example(clip) for clip in self.seen]
            state = self.folder / STATES / "landmarks.state"
            finder = train_landmarks(seen, self.trainings.landmarks, state, self.on_progress)
            error = landmark_error(finder, [landmark_example(clip) for clip in self.aside])
            logger.info("landmarks: off by %.1f%% of the face, of people kept aside", 100 * error)
            for name, network in zip(names, (finder.far, finder.near), strict=True):
                save_network(name, network, self.folder)
        return LandmarkFinder(*(load_network(name, self.folder) for name in names))
