"""Work that is kept in ComfyUI's user folder: after a restart, a crash or Cancel it need not be done again.

What ComfyUI offers for this is not enough: a node's outputs are cached as long as ComfyUI runs and the node has ended,
and the temporary folder is emptied when it starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import av
import comfyui_version
import folder_paths
import torch
from comfy_api.latest import InputImpl
from torch import Tensor

from xdub_core import __version__
from xdub_core.job.folder import FORMAT
from xdub_core.job.keys import file_fingerprint, key_of
from xdub_core.job.packing import remembered
from xdub_core.job.store import Store

Result = TypeVar("Result")

LIMIT_BYTES = 4 * 10**9
"""What the folder may take; what was not used for the longest time goes first."""
_MADE_BY = "xdub_kept_as"


@dataclass(frozen=True)
class KeptWork:
    """Where work is kept; `store` None: nowhere. Every key has the versions of what decides about the numbers in it."""

    store: Store | None = None

    def key(self, *declared: Any) -> str | None:
        """The key of what is made from these; None where nothing is kept, or where one of them is not known (None)."""
        if self.store is None or any(each is None for each in declared):
            return None
        return key_of(
            FORMAT, __version__, comfyui_version.__version__, torch.__version__, av.__version__, *declared
        )

    def remembered(
        self, kind: str, key: str | None, result: type[Result], make: Callable[[], Result]
    ) -> Result:
        """A result that is kept under a key, or else made now, and kept where there is a key."""
        return make() if key is None else remembered(self.store, kind, key, result, make)


NOWHERE = KeptWork()


def kept_work(resume: bool) -> KeptWork:
    """The work that is kept, where that is wanted."""
    folder = Path(folder_paths.get_user_directory()) / "x-dub" / "kept"
    return KeptWork(Store(folder, LIMIT_BYTES) if resume else None)


def made_of(maker: Any, *declared: Any) -> Any:
    """An object that makes something (a detector, encoders), with a note of what it is itself made of; see `key_of`."""
    setattr(maker, _MADE_BY, key_of(type(maker).__name__, *declared))
    return maker


def maker_key(maker: Any) -> str | None:
    """What an object is made of, as noted by `made_of`; None where nobody noted it."""
    return getattr(maker, _MADE_BY, None)


def contents_key(video: Any, fps: float) -> str | None:
    """The key of a VIDEO's contents, or an IMAGE's shown at `fps`: of all that is in it, unlike `cache.footage_key`."""
    if isinstance(video, Tensor):
        return key_of(fps, _pixels(video))
    if isinstance(video, InputImpl.VideoFromComponents):
        parts = video.get_components()
        return key_of(float(parts.frame_rate), video.get_bit_depth(), _pixels(parts.images))
    stream, trim = video.get_stream_source(), list(video.get_active_trim_window())
    if not isinstance(stream, str):
        return key_of(hashlib.sha256(stream.getbuffer()).hexdigest(), trim)
    try:
        facts = Path(stream).stat()
        return key_of(_file(stream, facts.st_mtime_ns, facts.st_size), trim)
    except OSError:  # reading it says why
        return None


@lru_cache(maxsize=64)
def _file(path: str, changed: int, size: int) -> str:  # noqa: ARG001 (a changed file is another)
    return file_fingerprint(Path(path))


def _pixels(images: Tensor) -> list[Any]:
    hashed = hashlib.sha256()
    for image in images:
        hashed.update(image.contiguous().cpu().numpy().tobytes())
    return [str(images.dtype), list(images.shape), hashed.hexdigest()]
