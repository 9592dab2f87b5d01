"""Face detectors whose networks ComfyUI holds."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.model_management as management
import numpy as np
from comfy.model_patcher import ModelPatcher
from torch import nn

from xdub_core.face.detector import Detection, FaceDetector

from .audio_encoders import load


class ManagedDetector:
    """A `FaceDetector` whose networks are brought to their device before they look at anything."""

    def __init__(self, detector: FaceDetector, networks: Sequence[nn.Module]) -> None:
        self._detector = detector
        self.follow: bool = getattr(detector, "follow", False)
        self.patchers = tuple(managed(network) for network in networks)

    def detect(
        self, frames: Sequence[np.ndarray], numbers: Sequence[int] | None = None
    ) -> list[Detection | None]:
        """As the detector within; see `FaceDetector`."""
        load(self.patchers)
        return self._detector.detect(frames, numbers)


def managed(network: nn.Module) -> ModelPatcher:
    """A network that sees every frame: on the GPU while it looks, even where VRAM is short."""
    device, offload = management.get_torch_device(), management.unet_offload_device()
    return ModelPatcher(network, load_device=device, offload_device=offload)


def frames_at_once() -> int:
    """How many frames to hand a detector at a time: one on a CPU, where even that takes a while to be interrupted."""
    return 1 if management.cpu_mode() else 8
