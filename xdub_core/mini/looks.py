"""Recognising rendered heads again: by the identity network, and by hair, colours and clothes."""

from __future__ import annotations

import numpy as np
import torch

from xdub_core.face.crop import crop_frame
from xdub_core.face.looks import CropLooks, likeness_of
from xdub_core.face.smoothing import FACE_TO_BOX
from xdub_core.mini.identity_net import IdentityNet

CROP_SHARE, PER_SIMILARITY, STRANGERS = 0.7, 8.0, 0.3
"""Logit of two being one person: so much of `CropLooks`', and so much for each unit of similarity above the last."""


class IdentityLooks:
    """The `Looks` of rendered heads."""

    def __init__(self, network: IdentityNet) -> None:
        self._network = network
        self._crop = CropLooks()

    @torch.no_grad()
    def describe(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The identity network's embedding of the face's crop, then `CropLooks`' numbers."""
        width = float(box[2] - box[0])
        middle = np.array([(box[0] + box[2]) / 2, box[3] - width / 2])
        half = FACE_TO_BOX * width / 2
        crop = crop_frame(frame, np.concatenate([middle - half, middle + half]), self._network.config.side)
        embedding = self._network(torch.from_numpy(crop)[None])[0].numpy()
        return np.concatenate([embedding, self._crop.describe(frame, box)])

    def likeness(self, looks: np.ndarray, others: np.ndarray) -> np.ndarray:
        """See `Looks`."""
        width = self._network.config.width
        cosine = torch.from_numpy(looks[:, :width] @ others[:, :width].T)
        similarity = self._network.calibrated(cosine).numpy()
        by_crop = self._crop.logits(looks[:, width:], others[:, width:])
        return likeness_of(CROP_SHARE * by_crop + PER_SIMILARITY * (similarity - STRANGERS))
