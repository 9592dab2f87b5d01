"""ComfyUI's VIDEO and IMAGE as frames for the engine, read as they are needed."""

from __future__ import annotations

import io
import shutil
import uuid
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import folder_paths
import numpy as np
import torch
from comfy_api.latest import InputImpl
from torch import Tensor

from xdub_core.dub import FrameSource
from xdub_core.errors import MediaError
from xdub_core.media.passes import VideoPasses
from xdub_core.media.probe import VideoInfo, scan_video
from xdub_core.media.timeline import MODEL_FPS, Timeline, timeline_from_timestamps


class Video(Protocol):
    """What is used of ComfyUI's `Input.Video`."""

    def get_stream_source(self) -> str | io.BytesIO: ...
    def get_active_trim_window(self) -> tuple[float, float]: ...
    def get_components(self) -> Any: ...
    def get_bit_depth(self) -> int: ...


@dataclass(frozen=True)
class Footage:
    """A source video: its frames, which of them each slot of 25 fps shows, and its size in pixels.

    `info`: facts about the file that a video like it takes over; None where the frames were pictures in memory.
    `deep`: whether frames are 16-bit.
    """

    source: FrameSource
    timeline: Timeline
    width: int
    height: int
    info: VideoInfo | None = None
    deep: bool = False

    def slots(self) -> Iterator[np.ndarray]:
        """The frames that the timeline's slots show, in order."""
        return self.source.frames(self.timeline.source_index)


@dataclass(frozen=True)
class TensorFrames:
    """A `FrameSource` of an IMAGE [n, H, W, 3 or 4] in 0..1; transparency is dropped. With `deep`, 16-bit frames."""

    images: Tensor
    deep: bool

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The frames asked for, in that order."""
        for index in indices:
            yield frame_from_image(self.images[int(index)], self.deep)


def frame_from_image(image: Tensor, deep: bool) -> np.ndarray:
    """A picture [H, W, 3 or 4] in 0..1 as uint8, or uint16 where `deep`, [H, W, 3]; 8-bit values stay what they are."""
    scale, kind = (65535, np.uint16) if deep else (255, np.uint8)
    return (image[..., :3].float() * scale).round().clamp(0, scale).cpu().numpy().astype(kind)


def image_from_frame(frame: np.ndarray) -> Tensor:
    """A frame [H, W, 3] of uint8 or uint16 as a picture, float32 in 0..1."""
    return torch.from_numpy(frame.astype(np.float32) / np.float32(np.iinfo(frame.dtype).max))


def footage_from_images(images: Tensor, fps: float, deep: bool = True) -> Footage:
    """An IMAGE batch, shown at `fps` pictures a second. Raises MediaError where there is none."""
    if images.ndim != 4 or not len(images):
        raise MediaError(f"the source images have shape {list(images.shape)}: connect a batch of frames")
    count, height, width, _ = images.shape
    timeline = timeline_from_timestamps(np.arange(count) / fps, count / fps, MODEL_FPS)
    return Footage(TensorFrames(images, deep), timeline, width, height, deep=deep)


def footage_from_video(video: Video) -> Footage:
    """A VIDEO: from its file, frame by frame and trimmed as it is; from memory where it has only ever been there.

    Raises MediaError where it cannot be read.
    """
    if isinstance(video, InputImpl.VideoFromComponents):
        components = video.get_components()
        return footage_from_images(components.images, float(components.frame_rate), video.get_bit_depth() > 8)
    stream = video.get_stream_source()
    path = Path(stream) if isinstance(stream, str) else _spilled(stream)
    scanned = scan_video(path)
    passes = VideoPasses(scanned, *video.get_active_trim_window())
    if not isinstance(stream, str):
        weakref.finalize(passes, path.unlink, missing_ok=True)
    info = scanned.info
    return Footage(passes, passes.timeline, info.width, info.height, info, info.bit_depth > 8)


def footage(source: Video | Tensor, fps: float = MODEL_FPS) -> Footage:
    """A VIDEO, or an IMAGE batch shown at `fps`."""
    return footage_from_images(source, fps) if isinstance(source, Tensor) else footage_from_video(source)


def temporary_path(suffix: str) -> Path:
    """A new name in ComfyUI's temporary folder, which it empties when it starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"xdub_{uuid.uuid4().hex[:12]}{suffix}"


def _spilled(stream: io.BytesIO) -> Path:
    """A video that is in memory, as a temporary file."""
    path = temporary_path(".video")
    stream.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return path
