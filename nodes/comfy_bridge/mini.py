"""The mini in ComfyUI's own shapes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.sd

from xdub_core.errors import CheckpointError
from xdub_core.experts.expert import load_expert
from xdub_core.mini.face_landmarks import LandmarkFinder, MiniDetector
from xdub_core.mini.loading import EXPERT_FILES, EXPERTS, MiniCard, load_card
from xdub_core.mini.network_files import DIT, load_network

from .audio_encoders import MiniEncoders
from .dub_video import SETTINGS
from .expert import with_expert
from .likeness import HEADS_ONLY
from .mini_vae import MiniVae


@dataclass(frozen=True)
class MiniParts:
    """What a mini gives to the nodes."""

    card: MiniCard
    model: Any
    vae: MiniVae
    encoders: MiniEncoders
    detector: MiniDetector


def load_mini_parts(folder: Path, experts: bool = True) -> MiniParts:
    """Load a mini, with those of its experts that are there. Raises MissingModelError or CheckpointError."""
    card = load_card(folder)
    model = comfy.sd.load_diffusion_model(str(folder / DIT))
    if model is None:
        raise CheckpointError(f"{folder / DIT} is no X-Dub model: get the folder whole")
    model.set_attachments(SETTINGS, card.settings)
    model.set_attachments(HEADS_ONLY, True)
    model.model.model_sampling.set_parameters(shift=card.shift)  # what ComfyUI's schedulers go by
    for name in EXPERTS if experts else ():
        if (folder / EXPERT_FILES[name]).is_file():
            model = _with_expert(model, folder / EXPERT_FILES[name])
    finder = LandmarkFinder(load_network("landmarks_far", folder), load_network("landmarks_near", folder))
    return MiniParts(
        card,
        model,
        MiniVae(load_network("codec", folder)),
        MiniEncoders(load_network("phonemes", folder)),
        MiniDetector(finder),
    )


def _with_expert(model: Any, path: Path) -> Any:
    info = load_expert(path).info
    return with_expert(model, path, 1.0, info.lowest, info.highest)
