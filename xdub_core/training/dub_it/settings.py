"""How a LoRA for dubbing is trained, by the paper's appendix A.3 where it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from xdub_core.dub_it.layouts import PAPER, layout_named
from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.objective import PairLoss
from xdub_core.training.settings import TrainerSettings

BATCH_SIZE = 1
"""The paper's, and all that core can do: its gates take one noise level, the highest of a batch."""


@dataclass(frozen=True)
class LoraTraining:
    """A run.

    `layout`: how the context stands (`xdub_core.dub_it.layouts`), which the LoRA's file says. `rank` of the LoRA.
    `video_rate`, `audio_rate`: the highest learning rates of the layers that write into picture and sound; they fall
    along a line (`schedule`) to `final_rate` of themselves. `steps` optimiser steps, each over `accumulate` pairs.
    `weights`: the precision of the frozen transformer ("file": as it is stored); it computes in it, or in bfloat16
    where it cannot. `saved`: the precision of the LoRA's file. `save_every`: steps after which a LoRA is written beside
    those before, `checkpoint_every`: those after which a killed run goes on. The rest is as in `TrainerSettings`.
    """

    layout: str = PAPER.name
    rank: int = 128
    loss: PairLoss = field(default_factory=PairLoss)
    steps: int = 2000
    accumulate: int = 1
    video_rate: float = 2e-4
    audio_rate: float = 1e-5
    warmup: int = 0
    schedule: Literal["constant", "cosine", "linear"] = "linear"
    final_rate: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    weights: Literal["file", "float32", "bfloat16", "float8_e4m3fn"] = "bfloat16"
    saved: Literal["float32", "bfloat16"] = "bfloat16"
    save_every: int = 250
    checkpoint_every: int = 250
    log_every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        layout_named(self.layout)
        if self.rank < 1:
            raise SettingsError(f"a LoRA of rank {self.rank}: use 1 or more")
        if not (self.video_rate > 0 and self.audio_rate > 0):
            raise SettingsError(
                f"learning rates of {self.video_rate} (picture) and {self.audio_rate} (sound): use numbers above 0"
            )
        if self.save_every < 1:
            raise SettingsError(f"save_every is {self.save_every}: use 1 or more")
        self.trainer()

    def trainer(self) -> TrainerSettings:
        """The same for the training loop, which leaves the precision of the forward to the transformer."""
        return TrainerSettings(
            steps=self.steps,
            batch_size=BATCH_SIZE,
            accumulate=self.accumulate,
            learning_rate=self.video_rate,
            warmup=self.warmup,
            schedule=self.schedule,
            final_rate=self.final_rate,
            weight_decay=self.weight_decay,
            betas=self.betas,
            clip_norm=self.clip_norm,
            average=0.0,
            precision="float32",
            checkpoint_every=self.checkpoint_every,
            log_every=self.log_every,
            seed=self.seed,
        )
