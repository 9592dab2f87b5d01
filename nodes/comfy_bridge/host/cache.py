"""A cache within a node, so that with another seed Dub Video neither encodes the speech nor looks for the face again.

Core keeps a node's outputs as long as its inputs stay the same; results within a node are the node's to keep. They are
little: a face's track is a few numbers a frame, features lie on disk in ComfyUI's temporary folder (0.4 MB a second of
speech for the released model), and no more than `MOST` of each are kept. They go with the encoders or the detector that
made them, which ComfyUI drops when it frees its cache or the workflow changes.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from comfy_api.latest import InputImpl
from torch import Tensor

Made = TypeVar("Made")

MOST = 4


class Cache(Generic[Made]):
    """The last few results of slow work, by what they were made from and by whom."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[weakref.ref[Any], Made]] = OrderedDict()

    def get(self, maker: object, key: Hashable | None, make: Callable[[], Made]) -> Made:
        """What `make` makes, or made before with an equal `key` and the very same `maker`. None: nothing is kept."""
        # Of makers that weak references cannot point to, nobody learns when they are gone.
        if key is None or not type(maker).__weakrefoffset__:
            return make()
        whole = (id(maker), key)
        found = self._kept.pop(whole, None)
        if found is None or found[0]() is not maker:
            found = (weakref.ref(maker, lambda _: self._forget(whole)), make())
        self._kept[whole] = found
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found[1]

    def _forget(self, whole: Hashable) -> None:
        found = self._kept.get(whole)
        if found is not None and found[0]() is None:
            del self._kept[whole]


def sound_key(audio: Mapping[str, Any] | None) -> Hashable | None:
    """What an AUDIO holds, its samples by their hash."""
    if audio is None:
        return None
    sound = audio["waveform"]
    return tuple(sound.shape), int(audio["sample_rate"]), _hash(sound)


def footage_key(video: Any, fps: float) -> Hashable | None:
    """What a VIDEO or IMAGE holds: a file by its place, time and size, pictures by the hash of some of their pixels."""
    if isinstance(video, Tensor):
        return tuple(video.shape), fps, _hash(_some_pixels(video))
    if isinstance(video, InputImpl.VideoFromComponents):
        parts = video.get_components()
        pixels = _some_pixels(parts.images)
        return tuple(parts.images.shape), float(parts.frame_rate), video.get_bit_depth(), _hash(pixels)
    stream = video.get_stream_source()
    trim = tuple(video.get_active_trim_window())
    if not isinstance(stream, str):
        return hashlib.blake2b(stream.getbuffer()).digest(), trim
    try:
        facts = Path(stream).stat()
    except OSError:  # reading it says why
        return None
    return stream, facts.st_mtime_ns, facts.st_size, trim


def _some_pixels(images: Tensor) -> Tensor:
    """One pixel in 64 of every frame: hashing them all takes as long as looking for the face."""
    return images[:, ::8, ::8]


def _hash(tensor: Tensor) -> bytes:
    """Of a tensor's values, one of its first dimension at a time."""
    digest = hashlib.blake2b()
    for part in tensor:
        digest.update(np.ascontiguousarray(part.float().cpu().numpy()).tobytes())
    return digest.digest()
