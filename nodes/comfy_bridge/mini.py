"""The mini in ComfyUI's own shapes, and a warning where a face is not what it knows, a rendered head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.sd
import numpy as np

from xdub_core.errors import CheckpointError
from xdub_core.experts.expert import load_expert
from xdub_core.job.keys import fingerprint
from xdub_core.mini.card import BUILT_IN, MiniCard, load_card
from xdub_core.mini.detector import MiniDetector
from xdub_core.mini.face_landmarks import LandmarkFinder
from xdub_core.mini.face_search import load_face_search
from xdub_core.mini.likeness import FRAMES, Likeness, likeness_of_track, load_likeness
from xdub_core.mini.loading import EXPERT_FILES, EXPERTS
from xdub_core.mini.looks import IdentityLooks
from xdub_core.mini.network_files import DIT, load_network

from .audio_encoders import ManagedEncoders, mini_encoders
from .expert import with_expert
from .face_detector import CROP_SIZE
from .host.kept import made_of
from .host.warnings import warn
from .media.frames import Footage
from .model.mini_vae import MiniVae
from .model.own_settings import SETTINGS
from .paste_back import as_crop
from .types import ReferenceLatents, TrackedFace

HEADS_ONLY = "xdub_heads_only"
"""Attachment of a MODEL that knows rendered heads only."""
REMEDY = "load the released model instead (templates 3 to 7 do)"


@dataclass(frozen=True)
class MiniParts:
    """What a mini gives to the nodes."""

    card: MiniCard
    model: Any
    vae: MiniVae
    encoders: ManagedEncoders
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
    files = fingerprint([folder])
    finder = LandmarkFinder(load_network("landmarks_far", folder), load_network("landmarks_near", folder))
    identity = IdentityLooks(load_network("identity", folder))
    detector = MiniDetector(finder, search=load_face_search(), looks=identity)
    setattr(detector, CROP_SIZE, card.crop)
    return MiniParts(
        card,
        model,
        MiniVae(load_network("codec", folder)),
        made_of(mini_encoders(load_network("phonemes", folder)), files),
        made_of(detector, files),
    )


def warn_of_real_face(model: Any, footage: Footage, face: TrackedFace, size: int) -> None:
    """Warn where the MODEL knows rendered heads only, and the tracked face is none; `size`: of its crops."""
    if model.get_attachment(HEADS_ONLY):
        judge = load_likeness(BUILT_IN)
        _warn(likeness_of_track(judge, footage.source, face.timeline, face.track, size))


def warn_of_real_crops(model: Any, reference: ReferenceLatents) -> None:
    """The same by the crops that the reference latents were made of."""
    if model.get_attachment(HEADS_ONLY) and reference.shots:
        slots = reference.shots[0].slots
        chosen = slots[np.linspace(0, len(slots) - 1, FRAMES).round().astype(int)]
        _warn(load_likeness(BUILT_IN)(_crops(reference, np.unique(chosen))))


def _with_expert(model: Any, path: Path) -> Any:
    info = load_expert(path).info
    return with_expert(model, path, 1.0, info.lowest, info.highest)


def _crops(reference: ReferenceLatents, slots: np.ndarray) -> Sequence[np.ndarray]:
    return [as_crop(reference.crops[slot]) for slot in slots]


def _warn(likeness: Likeness) -> None:
    if not likeness.is_rendered_head:
        warn(likeness.warning("the video", REMEDY))
