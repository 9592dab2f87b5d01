"""Whether a face is what the built-in model knows, a rendered head, told before it makes stains of a real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xdub_core.mini.likeness import FRAMES, Likeness, likeness_of_track, load_likeness
from xdub_core.mini.loading import BUILT_IN

from ..types import ReferenceLatents, TrackedFace
from .frames import Footage
from .paste_back import as_crop
from .telling import warn

HEADS_ONLY = "xdub_heads_only"
"""Attachment of a MODEL that knows rendered heads only."""
REMEDY = "load the released model instead (templates 3 to 7 do)"


def warn_of_strange_face(model: Any, footage: Footage, face: TrackedFace, size: int) -> None:
    """Warn where the MODEL knows rendered heads only, and the tracked face is none; `size`: of its crops."""
    if model.get_attachment(HEADS_ONLY):
        judge = load_likeness(BUILT_IN)
        _warn(likeness_of_track(judge, footage.source, face.timeline, face.track, size))


def warn_of_strange_crops(model: Any, reference: ReferenceLatents) -> None:
    """The same by the crops that the reference latents were made of."""
    if model.get_attachment(HEADS_ONLY) and reference.shots:
        slots = reference.shots[0].slots
        chosen = slots[np.linspace(0, len(slots) - 1, FRAMES).round().astype(int)]
        _warn(load_likeness(BUILT_IN)(_crops(reference, np.unique(chosen))))


def _crops(reference: ReferenceLatents, slots: np.ndarray) -> Sequence[np.ndarray]:
    return [as_crop(reference.crops[slot]) for slot in slots]


def _warn(likeness: Likeness) -> None:
    if not likeness.is_rendered_head:
        warn(likeness.warning("the video", REMEDY))
