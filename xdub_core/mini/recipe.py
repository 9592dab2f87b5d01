"""What xdub-mini is made of: every number of its making, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdub_core.errors import SettingsError
from xdub_core.experts.expert import ExpertInfo
from xdub_core.mini.codec_net import CodecConfig
from xdub_core.mini.dataset import HeadsConfig
from xdub_core.mini.mouth import VISEMES
from xdub_core.mini.net_training import NetworkTrainings, tiny_trainings
from xdub_core.mini.phonemes import PhonemeConfig
from xdub_core.model.config import DiTConfig
from xdub_core.sampling.plan import ClipGeometry
from xdub_core.training.config import Stage, TrainingConfig
from xdub_core.training.objective import FlowSettings
from xdub_core.training.timesteps import HIGH_NOISE, LOW_NOISE, MID_NOISE, UNIFORM
from xdub_core.training.trainer import TrainerSettings

GEOMETRY = ClipGeometry(frames=13, motion_frames=5)
TEXT_DIM = 8
"""The mini has no prompt: its context is one row of zeros, this wide."""


@dataclass(frozen=True)
class MiniRecipe:
    """How much of everything. `clips` are of `heads.frames` frames; `steps` are optimiser steps.

    `windows`: training windows of 13 frames per clip. `pair_takes`: how often the generator dubs each clip anew.
    `rendered_share`: how many of the editor's pairs are the renderer's true ones (paper B.7). `pair_steps`: sampling
    steps of the generator when it makes pairs.
    """

    heads: HeadsConfig = field(default_factory=HeadsConfig)
    clips: int = 640
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
            latent_channels=CodecConfig().channels,
            residual=True,
        )
    )
    networks: NetworkTrainings = field(default_factory=NetworkTrainings)
    windows: int = 5
    pair_takes: int = 1
    pair_steps: int = 6
    rendered_share: float = 0.75
    face_weight: float = 1.0
    lip_weight: float = 6.0
    batch: int = 8
    learning_rate: float = 2.5e-3
    expert_rate: float = 3e-4
    generator_steps: int = 700
    editor_steps: int = 4500
    lip_steps: int = 400
    texture_steps: int = 600
    expert_rank: int = 16

    def stage(self, stage: Stage) -> TrainingConfig:
        """The configuration of one phase (paper sections 3.1 to 3.3)."""
        steps, timesteps, expert = {
            "generator": (self.generator_steps, UNIFORM, None),
            "editor": (self.editor_steps, HIGH_NOISE, None),
            "lip": (self.lip_steps, MID_NOISE, self._expert("lip", 0.4, 0.8)),
            "texture": (self.texture_steps, LOW_NOISE, self._expert("texture", 0.0, 0.3)),
        }[stage]
        return TrainingConfig(
            stage=stage,
            trainer=TrainerSettings(
                steps=steps,
                batch_size=self.batch,
                learning_rate=self.learning_rate if expert is None else self.expert_rate,
                optimizer="muon" if expert is None else "adamw",
                warmup=min(100, steps // 4),
                schedule="cosine",
                average=0.995,
                checkpoint_every=max(1, min(100, steps // 2)),
                log_every=max(1, min(20, steps // 4)),
            ),
            model=DiTConfig(**{**vars(self.dit), "background": stage == "generator"}),
            flow=FlowSettings(timesteps=timesteps, face_weight=self.face_weight, lip_weight=self.lip_weight),
            clip=GEOMETRY,
            expert=expert,
            crop=self.heads.size,
            text_tokens=1,
            gradient_checkpointing=False,
        )

    def _expert(self, kind: str, lowest: float, highest: float) -> ExpertInfo:
        return ExpertInfo(kind, self.expert_rank, float(self.expert_rank), lowest, highest, base="xdub-mini")


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
        heads=HeadsConfig(size=48, frames=26, train_identities=6, held_out_identities=2, silent=0.0),
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
            latent_channels=networks.codec.network.channels,
            residual=True,
        ),
        networks=networks,
        windows=1,
        pair_steps=2,
        rendered_share=0.5,
        batch=2,
        generator_steps=2,
        editor_steps=2,
        lip_steps=2,
        texture_steps=2,
        expert_rank=2,
    )
