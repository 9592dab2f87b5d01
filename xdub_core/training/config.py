"""Training runs as YAML files: each section one of the settings' dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.errors import SettingsError
from xdub_core.experts.adapters import DEFAULT_TARGETS
from xdub_core.experts.expert import ExpertInfo
from xdub_core.model.config import DiTConfig
from xdub_core.training.objective import FlowSettings
from xdub_core.training.rewards import PixelLossSettings
from xdub_core.training.settings import TrainerSettings
from xdub_core.training.settings_file import read_settings

Stage = Literal["generator", "editor", "lip", "texture"]
"""The pack's own configurations, of the real model's sizes."""


@dataclass(frozen=True)
class TrainingConfig:
    """One phase of training.

    `stage`: the mask-based generator (section 3.1), the editor's full training (3.2), or one of its experts (3.3),
    which need `expert`. `crop` is in pixels, `text_tokens` the length of the context. `weights` is the precision that
    the DiT's weights are kept in: bfloat16 will do for what is frozen. `concatenation` of the editor's reference by
    "channels" is the ablation of table 4.
    """

    stage: Stage
    trainer: TrainerSettings
    model: DiTConfig = field(default_factory=DiTConfig)
    flow: FlowSettings = field(default_factory=FlowSettings)
    pixels: PixelLossSettings = field(default_factory=PixelLossSettings)
    clip: ClipGeometry = field(default_factory=ClipGeometry)
    expert: ExpertInfo | None = None
    targets: str = DEFAULT_TARGETS
    crop: int = 512
    text_tokens: int = 512
    weights: Literal["float32", "bfloat16"] = "float32"
    concatenation: Literal["tokens", "channels"] = "tokens"
    gradient_checkpointing: bool = True

    def __post_init__(self) -> None:
        tunes = self.stage in ("lip", "texture")
        if tunes != (self.expert is not None):
            raise SettingsError(
                f"the stage {self.stage} {'needs' if tunes else 'has no'} expert: see the section 'expert'"
            )
        if (self.stage == "generator" or self.concatenation == "channels") != self.model.background:
            raise SettingsError(
                f"the stage {self.stage} with model.background {self.model.background}: "
                "the generator's model has a background (and the channel-wise editor's), the editor's has none"
            )
        if self.expert is not None and self.expert.kind != self.stage:
            raise SettingsError(
                f"the stage {self.stage} with an expert of the kind {self.expert.kind}: use one name"
            )


def load_config(path: Path | str) -> TrainingConfig:
    """Read a configuration; raises SettingsError when it is missing, no YAML, or says something unknown."""
    return read_settings(path, TrainingConfig)
