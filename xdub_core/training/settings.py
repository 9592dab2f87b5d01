"""How a run trains: for how long, at which rates, with which optimisers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from xdub_core.errors import SettingsError


@dataclass(frozen=True)
class TrainerSettings:
    """How to train.

    `steps` optimiser steps in all, each over `batch_size` examples per process, `accumulate` times. The learning
    rate rises over `warmup` steps and then stays (`constant`) or falls along a `cosine`, or a line (`linear`), to
    `final_rate` of itself.
    `optimizer`: "muon" gives the matrices inside the model to Muon and the rest to AdamW. `matrix_rate`: Muon's own
    learning rate, in steps of spectral size (None: `learning_rate`, in steps of AdamW's size). Without `decay_vectors`,
    AdamW leaves biases and norms undecayed. `average` is the decay of the moving average of the weights (0: none kept).
    `precision` is that of the forward, where the device has bfloat16 (`precision.computes_bfloat16`); weights and
    optimiser keep their own. `clip_norm` bounds the gradient's norm (inf: no bound). `checkpoint_every` and `log_every`
    count steps.
    """

    steps: int
    batch_size: int = 8
    accumulate: int = 1
    learning_rate: float = 1e-5
    warmup: int = 100
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    final_rate: float = 0.1
    optimizer: Literal["adamw", "muon"] = "adamw"
    matrix_rate: float | None = None
    weight_decay: float = 0.01
    decay_vectors: bool = True
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    average: float = 0.999
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    checkpoint_every: int = 200
    log_every: int = 10
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: use 1 or more")
        if not 0 <= self.average < 1:
            raise SettingsError(f"a moving average with a decay of {self.average}: use 0 to below 1")
        if not self.clip_norm > 0:
            raise SettingsError(f"clip_norm is {self.clip_norm}: use more than 0 (.inf: no clipping)")
        if not self.learning_rate > 0 or self.warmup < 0 or not 0 <= self.final_rate <= 1:
            raise SettingsError(
                f"learning_rate {self.learning_rate}, warmup {self.warmup}, final_rate {self.final_rate}: use a rate "
                "above 0, a warmup of 0 or more, and a final rate of 0 to 1 of it"
            )
        if self.matrix_rate is not None and not (self.optimizer == "muon" and self.matrix_rate > 0):
            raise SettingsError(
                f"matrix_rate {self.matrix_rate} with the optimizer {self.optimizer}: use muon, and a rate above 0"
            )

    def rate(self, step: int, peak: float | None = None) -> float:
        """The learning rate of step number `step`, which counts from 0; `peak`: the highest (None: `learning_rate`).

        Not one of PyTorch's schedulers: these count steps of their own, which a checkpoint would have to keep.
        """
        peak = self.learning_rate if peak is None else peak
        if step < self.warmup:
            return peak * (step + 1) / self.warmup
        if self.schedule == "constant":
            return peak
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        left = 1 - progress if self.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return peak * (self.final_rate + (1 - self.final_rate) * left)
