"""Audio features that are kept block by block: what was heard once is not computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch

from xdub_core.audio.features import AudioFeatures, ChunkedFeatures
from xdub_core.audio.recording import Recording
from xdub_core.job.keys import key_of
from xdub_core.job.store import Store

FEATURES = "features"
BLOCK_ROWS = 1500
"""Thirty seconds."""


def recording_key(recording: Recording) -> str:
    """The key of a recording as it is heard: of its samples, which every run decodes alike."""
    hashed = hashlib.sha256()
    for block in recording.blocks():
        hashed.update(block.tobytes())
    return key_of("recording", recording.samples, hashed.hexdigest())


def features_key(features: AudioFeatures) -> str:
    """The key of features: their own where they are kept, else of all their rows."""
    own: str | None = getattr(features, "key", None)
    if own is not None:
        return own
    hashed = hashlib.sha256()
    for start in range(0, features.rows, BLOCK_ROWS):
        hashed.update(features.read(start, min(start + BLOCK_ROWS, features.rows)).numpy().tobytes())
    return key_of("rows", features.rows, features.width, hashed.hexdigest())


class KeptFeatures(ChunkedFeatures):
    """Features of a recording: each block is read from the store, or else computed and kept there.

    Args:
        store: where blocks are kept.
        key: of what the features depend on: the recording and who hears it.
        listen: makes the features; called with the first block that is not kept, so that an encoder is loaded only
            where there is something left to hear.
    """

    def __init__(self, store: Store, key: str, listen: Callable[[], AudioFeatures]) -> None:
        self.key = key
        self._store, self._listen = store, listen
        self._heard: AudioFeatures | None = None
        super().__init__(*self._size(), BLOCK_ROWS, self._block)

    def _features(self) -> AudioFeatures:
        if self._heard is None:
            self._heard = self._listen()
        return self._heard

    def _size(self) -> tuple[int, int]:
        if (kept := self._store.load(FEATURES, self.key)) is not None:
            rows, width = kept.arrays["size"].tolist()
            return rows, width
        heard = self._features()
        self._store.save(FEATURES, self.key, {"size": np.array([heard.rows, heard.width])})
        return heard.rows, heard.width

    def _block(self, start: int, stop: int) -> torch.Tensor:
        key = key_of(self.key, start)
        if (kept := self._store.load(FEATURES, key)) is not None:
            return torch.tensor(kept.arrays["rows"])
        rows = self._features().read(start, stop)
        self._store.save(FEATURES, key, {"rows": rows.numpy()})
        return rows
