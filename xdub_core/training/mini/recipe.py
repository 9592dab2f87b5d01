"""What xdub-mini is made of: every number of its making, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.experts.expert import LIP_RANGE, TEXTURE_RANGE, ExpertInfo
from xdub_core.heads.dataset import HeadsConfig
from xdub_core.heads.visemes import VISEMES
from xdub_core.mini.card import MiniCard
from xdub_core.mini.phonemes import PhonemeConfig
from xdub_core.mini.vae_net import VAEConfig
from xdub_core.model.config import DiTConfig
from xdub_core.training.augmentation import AugmentationRates
from xdub_core.training.conditions import ConditionDropout
from xdub_core.training.config import Stage, TrainingConfig
from xdub_core.training.mini.network_training import NetworkTrainings, tiny_trainings
from xdub_core.training.objective import FlowSettings
from xdub_core.training.rewards import PixelLossSettings
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.timesteps import (
    HIGH_NOISE,
    LOW_NOISE,
    MID_NOISE,
    TimestepDistribution,
    shift_timestep,
)

GEOMETRY = MiniCard().geometry
NOISE_SHIFT = 3.0
"""The experts' noise levels are the paper's, shifted (Eq. 2) by this much; the editor's lie higher in their own way.

Its latents are differences that are nothing but the mouth, which shows through noise that would hide a whole picture:
at t = 0.8 the mouth's opening can be read off the noised latents, and no speech is needed to tell it.
"""
GENERATOR_NOISE = TimestepDistribution(NOISE_SHIFT, base="uniform")
EDITOR_NOISE = TimestepDistribution(HIGH_NOISE.alpha * 2, deviation=1.5)
LIP_NOISE = TimestepDistribution(MID_NOISE.alpha * NOISE_SHIFT)
TEXTURE_NOISE = TimestepDistribution(LOW_NOISE.alpha * NOISE_SHIFT)
TEXT_DIM = 8
"""The mini has no prompt: its context is one row of zeros, this wide."""


@dataclass(frozen=True)
class MiniRecipe:
    """How much of everything. `clips` are of `heads.frames` frames; `steps` are optimiser steps.

    There are more clips than people, who come one after the other: the identity network is calibrated with those who
    come twice. A model that was trained on few people dubs them well, and stains the others.

    `windows`: training windows of 13 frames per clip. `pair_takes`: between which takes (`TalkingHeads.dubbed`) of each
    clip the editor's pairs are made; a fine-tuned mini learns most from new ones.
    `rendered_share`: of how many clips the renderer makes a true pair (paper B.7), which trains both ways; the
    generator dubs the rest. With three clips in four, 84% of the editor's windows are true pairs', far more than the
    paper's.
    `augmentation`: the shares of pairs that are changed, both sides alike; `mirrored`: the share that is mirrored.
    `pair_steps`: sampling steps of the generator when it makes pairs. `face_weight`, `lip_weight`: of Eq. 1, larger
    than the paper's 0.3, for here a mouth is two tokens of 36. `expert_rate`: the experts' learning rate;
    `sync_weight`: of the lip expert's SyncNet loss.
    `unconditional`: share of samples without reference and audio; few, for the mini samples with a reference scale of
    1, which leaves that branch of guidance out. `motion_noise`: how much noise the motion latents may have in training
    (`FlowSettings`); a small model's own frames, which it goes on from, are not clean. `audio_noise`: as much for the
    editor's audio windows.
    """

    heads: HeadsConfig = field(default_factory=HeadsConfig)
    clips: int = 800
    dit: DiTConfig = field(
        default_factory=lambda: DiTConfig(
            dim=256,
            heads=8,
            layers=4,
            ffn_dim=768,
            frequency_dim=64,
            text_dim=TEXT_DIM,
            audio_dim=PhonemeConfig(len(VISEMES)).width,
            audio_inner_dim=128,
            audio_head_dim=32,
            audio_layers=1,
            latent_channels=VAEConfig().channels,
            residual=True,
        )
    )
    networks: NetworkTrainings = field(default_factory=NetworkTrainings)
    windows: int = 5
    pair_takes: tuple[tuple[int, int], ...] = ((0, 1),)
    pair_steps: int = 6
    rendered_share: float = 0.75
    augmentation: AugmentationRates = field(
        default_factory=lambda: AugmentationRates(light=0.2, recoloring=0.25)
    )
    mirrored: float = 0.5
    face_weight: float = 2.0
    lip_weight: float = 6.0
    unconditional: float = 0.02
    batch: int = 8
    expert_batch: int = 8
    learning_rate: float = 2.5e-3
    expert_rate: float = 1e-3
    sync_weight: float = 0.3
    motion_noise: float = 0.15
    audio_noise: float = 0.5
    generator_steps: int = 500
    editor_steps: int = 9000
    lip_steps: int = 250
    texture_steps: int = 300
    expert_rank: int = 8

    @property
    def context(self) -> Tensor:
        """The mini's empty prompt, [1, 1, text_dim]."""
        return torch.zeros(1, 1, self.dit.text_dim)

    def fine_tuning(self) -> MiniRecipe:
        """The recipe that fine-tunes a trained mini: shorter, and in smaller steps over larger batches."""
        return replace(
            self,
            batch=self.batch * 2,
            learning_rate=self.learning_rate * 0.6,
            generator_steps=max(1, self.generator_steps // 5),
            editor_steps=max(1, self.editor_steps // 4),
            lip_steps=max(1, self.lip_steps // 4),
            texture_steps=max(1, self.texture_steps // 2),
        )

    def stage(self, stage: Stage) -> TrainingConfig:
        """The configuration of one phase (paper sections 3.1 to 3.3)."""
        steps, timesteps, expert = {
            "generator": (self.generator_steps, GENERATOR_NOISE, None),
            "editor": (self.editor_steps, EDITOR_NOISE, None),
            "lip": (self.lip_steps, LIP_NOISE, self._expert("lip", LIP_RANGE)),
            "texture": (self.texture_steps, TEXTURE_NOISE, self._expert("texture", TEXTURE_RANGE)),
        }[stage]
        return TrainingConfig(
            stage=stage,
            trainer=TrainerSettings(
                steps=steps,
                batch_size=self.batch if expert is None else self.expert_batch,
                learning_rate=self.learning_rate if expert is None else self.expert_rate,
                optimizer="muon" if expert is None else "adamw",
                warmup=min(100, steps // 4),
                schedule="cosine",
                final_rate=0.02,
                average=0.998,
                precision="float32",
                checkpoint_every=max(1, min(100, steps // 2)),
                log_every=max(1, min(20, steps // 4)),
            ),
            model=DiTConfig(**{**vars(self.dit), "background": stage == "generator"}),
            flow=FlowSettings(
                timesteps=timesteps,
                face_weight=self.face_weight,
                lip_weight=self.lip_weight,
                motion_noise=self.motion_noise if stage != "generator" else 0.0,
                audio_noise=self.audio_noise if stage == "editor" else 0.0,
                dropout=ConditionDropout(audio=0.1, both=self.unconditional),
            ),
            clip=GEOMETRY,
            pixels=PixelLossSettings(sync_weight=self.sync_weight),
            expert=expert,
            crop=self.heads.size,
            text_tokens=1,
            gradient_checkpointing=False,
        )

    def _expert(self, kind: str, noise_range: tuple[float, float]) -> ExpertInfo:
        lowest, highest = (round(shift_timestep(t, NOISE_SHIFT), 3) for t in noise_range)
        return ExpertInfo(kind, self.expert_rank, float(self.expert_rank), lowest, highest, base="xdub-mini")


def pairs_of_takes(takes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Takes two by two; the last of an odd number with the clips' own take 0.

    Raises SettingsError without takes, and for those that come twice or are not 1 or more.
    """
    if not takes or len(set(takes)) != len(takes) or min(takes) < 1:
        raise SettingsError(f"takes {list(takes)}: give one or more, each of them 1 or more and once")
    alone = [(0, takes[-1])] if len(takes) % 2 else []
    return (*zip(takes[::2], takes[1::2], strict=False), *alone)


def recipe(scale: str) -> MiniRecipe:
    """The recipe called `scale`: "full" is the shipped model's, "tiny" proves the chain in under a minute.

    Raises SettingsError for any other name.
    """
    if scale == "full":
        return MiniRecipe()
    if scale == "tiny":
        return _tiny()
    raise SettingsError(f"there is no recipe called {scale!r}: use full or tiny")


def _tiny() -> MiniRecipe:
    networks = tiny_trainings()
    return MiniRecipe(
        heads=HeadsConfig(size=48, frames=14, train_identities=6, held_out_identities=2, silent=0.0),
        clips=12,
        dit=DiTConfig(
            dim=24,
            heads=2,
            layers=1,
            ffn_dim=32,
            frequency_dim=16,
            text_dim=TEXT_DIM,
            audio_dim=networks.phonemes.network.width,
            audio_inner_dim=16,
            audio_head_dim=8,
            audio_layers=1,
            latent_channels=networks.vae.network.channels,
            residual=True,
        ),
        networks=networks,
        windows=1,
        pair_steps=2,
        rendered_share=0.5,
        batch=2,
        expert_batch=2,
        generator_steps=2,
        editor_steps=2,
        lip_steps=2,
        texture_steps=2,
        expert_rank=2,
    )
