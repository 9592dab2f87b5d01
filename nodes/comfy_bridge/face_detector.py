"""Face detectors whose networks ComfyUI holds."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.model_management as management
import numpy as np
from comfy.model_patcher import ModelPatcher
from torch import nn

from xdub_core.dub.settings import RELEASED_CROP
from xdub_core.face.detector import Detection, FaceDetector, all_faces
from xdub_core.face.looks import Looks
from xdub_core.face.rtmw_detector import RTMWSettings

from .audio_encoders import load

CROP_SIZE = "xdub_crop_size"
"""Attribute of a detector that is for one model only: pixels of its crops."""


class ManagedDetector:
    """A `PeopleDetector` whose networks are brought to their device before they look at anything."""

    def __init__(self, detector: FaceDetector, networks: Sequence[nn.Module]) -> None:
        self._detector = detector
        self.follow: bool = getattr(detector, "follow", False)
        self.looks: Looks | None = getattr(detector, "looks", None)
        self.settings: RTMWSettings | None = getattr(detector, "settings", None)
        self.patchers = tuple(managed(network) for network in networks)

    def detect(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[Detection | None]:
        """As the detector within; see `FaceDetector`."""
        load(self.patchers)
        return self._detector.detect(frames, numbers)

    def detect_all(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[list[Detection]]:
        """As the detector within; see `PeopleDetector`."""
        load(self.patchers)
        return all_faces(self._detector, frames, numbers)


def counts_people(detector: FaceDetector) -> bool:
    """Whether a detector was told itself whom to take, by counting in each frame (Load Face Detector's `person`)."""
    settings = getattr(detector, "settings", None)
    return getattr(settings, "person", None) is not None


def own_crop_size(detector: FaceDetector | None) -> int:
    """Pixels of the crops of the model that a detector is for."""
    return getattr(detector, CROP_SIZE, RELEASED_CROP)


def managed(network: nn.Module) -> ModelPatcher:
    """A network that sees every frame: on the GPU while it looks, even where VRAM is short."""
    device, offload = management.get_torch_device(), management.unet_offload_device()
    return ModelPatcher(network, load_device=device, offload_device=offload)


def frames_at_once() -> int:
    """How many frames to hand a detector at a time: one on a CPU, where even that takes a while to be interrupted."""
    return 1 if management.cpu_mode() else 8
