"""The built-in model, ready to dub: its VAE, DiT, experts, audio features and face detector, from one folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from xdub_core.audio.recording import Recording
from xdub_core.dub.model import DubModel
from xdub_core.experts.adapters import Adapters
from xdub_core.experts.expert import load_expert
from xdub_core.experts.expert_denoiser import ExpertDenoiser
from xdub_core.mini.card import BUILT_IN, MiniCard, load_card
from xdub_core.mini.detector import MiniDetector
from xdub_core.mini.face_search import load_face_search
from xdub_core.mini.looks import IdentityLooks
from xdub_core.mini.network_files import DIT, LIP_EXPERT, TEXTURE_EXPERT, load_networks
from xdub_core.mini.phonemes import MiniFeatures, PhonemeNet
from xdub_core.mini.vae import MiniVAE
from xdub_core.model.dit_file import load_dit
from xdub_core.sampling.denoiser import DiTDenoiser

ExpertName = Literal["lip", "texture"]
EXPERTS: tuple[ExpertName, ...] = ("lip", "texture")
EXPERT_FILES = {"lip": LIP_EXPERT, "texture": TEXTURE_EXPERT}


@dataclass(frozen=True)
class Mini:
    """A loaded mini. `detector` finds rendered heads only."""

    card: MiniCard
    model: DubModel
    phonemes: PhonemeNet
    detector: MiniDetector

    def features(self, recording: Recording) -> MiniFeatures:
        """The audio features of a recording, which must stay open meanwhile."""
        return MiniFeatures(recording, self.phonemes)


def load_mini(
    folder: Path = BUILT_IN,
    *,
    batched: bool = True,
    merge_text: bool = True,
    experts: Collection[ExpertName] = EXPERTS,
) -> Mini:
    """The mini in `folder`, on the CPU in float32, with those of the named `experts` that are there.

    Raises MissingModelError or CheckpointError where it is not whole.
    """
    card = load_card(folder)
    networks = load_networks(folder)
    dit = load_dit(folder / DIT, dtype=torch.float32)
    attached = [
        Adapters(load_expert(folder / EXPERT_FILES[name])).attach(dit)
        for name in EXPERTS
        if name in experts and (folder / EXPERT_FILES[name]).is_file()
    ]
    denoiser = DiTDenoiser(dit, torch.zeros(1, 1, dit.config.text_dim), batched, merge_text=merge_text)
    return Mini(
        card,
        DubModel(MiniVAE(networks.vae), ExpertDenoiser(denoiser, attached)),
        networks.phonemes,
        MiniDetector(networks.landmarks, search=load_face_search(), looks=IdentityLooks(networks.identity)),
    )
