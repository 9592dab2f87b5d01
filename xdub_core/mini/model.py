"""The built-in model, ready to dub: its codec, its DiT with both experts, its ears and its eyes, from one folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from xdub_core.audio.recording import Recording
from xdub_core.dub import DubModel
from xdub_core.errors import CheckpointError, MissingModelError
from xdub_core.experts.adapters import Adapters
from xdub_core.experts.denoiser import ExpertDenoiser
from xdub_core.experts.expert import load_expert
from xdub_core.mini.bundle import DIT, LIP_EXPERT, TEXTURE_EXPERT, load_networks
from xdub_core.mini.codec import MiniCodec
from xdub_core.mini.landmarks import MiniDetector
from xdub_core.mini.phonemes import MiniFeatures, PhonemeNet
from xdub_core.model.checkpoint import load_dit
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.plan import ClipGeometry

CARD = "mini.json"
"""What the files themselves do not say."""


@dataclass(frozen=True)
class MiniCard:
    """Sizes that a mini was trained at: pixels of its crops, and frames of its clips and of their overlap."""

    crop: int = 96
    clip_frames: int = 13
    motion_frames: int = 5

    @property
    def geometry(self) -> ClipGeometry:
        return ClipGeometry(self.clip_frames, self.motion_frames)


@dataclass(frozen=True)
class Mini:
    """A loaded mini. `detector` finds rendered heads, and knows nothing of real people."""

    card: MiniCard
    model: DubModel
    phonemes: PhonemeNet
    detector: MiniDetector

    def features(self, recording: Recording) -> MiniFeatures:
        """What the mini hears of a recording, which must stay open meanwhile."""
        return MiniFeatures(recording, self.phonemes)


def is_mini(folder: Path) -> bool:
    """Whether a folder holds a mini."""
    return (folder / CARD).is_file()


def load_card(folder: Path) -> MiniCard:
    """Raises MissingModelError where there is no mini, CheckpointError where its card is damaged."""
    path = folder / CARD
    if not path.is_file():
        raise MissingModelError(
            f"{folder} holds no xdub-mini ({CARD} is missing): make one with `train mini`"
        )
    try:
        return MiniCard(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): get the folder whole") from None


def save_card(folder: Path, card: MiniCard) -> None:
    """Write the card, which makes the folder a mini: write it last."""
    (folder / CARD).write_text(json.dumps(asdict(card)), encoding="utf-8")


def load_mini(folder: Path, *, batched: bool = True) -> Mini:
    """The mini in `folder`, on the CPU in float32, with those of its experts that are there.

    Raises MissingModelError or CheckpointError where it is not whole.
    """
    card = load_card(folder)
    networks = load_networks(folder)
    dit = load_dit(folder / DIT, dtype=torch.float32)
    experts = [
        Adapters(load_expert(folder / name)).attach(dit)
        for name in (LIP_EXPERT, TEXTURE_EXPERT)
        if (folder / name).is_file()
    ]
    denoiser = DiTDenoiser(dit, torch.zeros(1, 1, dit.config.text_dim), batched)
    return Mini(
        card,
        DubModel(MiniCodec(networks.codec), ExpertDenoiser(denoiser, experts)),
        networks.phonemes,
        MiniDetector(networks.landmarks),
    )
