"""ComfyUI's VIDEO and IMAGE as frames for the engine, read as they are needed."""

from __future__ import annotations

import io
import shutil
import uuid
import weakref
from pathlib import Path
from typing import Any, Protocol

import folder_paths
from comfy_api.latest import InputImpl
from torch import Tensor

from xdub_core.media.timeline import MODEL_FPS, Timeline
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.source_clock import source_clock
from xdub_core.media.video.video_info import scan_video

from .frames import Footage, PartOfSource, footage_from_images


class Video(Protocol):
    """What is used of ComfyUI's `Input.Video`."""

    def get_stream_source(self) -> str | io.BytesIO: ...
    def get_active_trim_window(self) -> tuple[float, float]: ...
    def get_components(self) -> Any: ...
    def get_bit_depth(self) -> int: ...


def footage_from_video(video: Video, nearest: bool = False) -> Footage:
    """A VIDEO: from its file, frame by frame and trimmed as it is; from memory where it has only ever been there.

    `nearest`: how its frames are chosen for the model's 25 fps, see `timeline_from_timestamps`.

    Raises MediaError where it cannot be read.
    """
    if isinstance(video, InputImpl.VideoFromComponents):
        components, depth = video.get_components(), video.get_bit_depth()
        return footage_from_images(components.images, float(components.frame_rate), depth > 8, depth, nearest)
    stream = video.get_stream_source()
    if isinstance(stream, str):
        return _footage_in(Path(stream), video, nearest)
    path = temporary_path(".video")
    try:
        _spill(stream, path)
        made = _footage_in(path, video, nearest)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    weakref.finalize(made.source, path.unlink, missing_ok=True)
    return made


def footage(source: Video | Tensor, fps: float = MODEL_FPS, nearest: bool = False) -> Footage:
    """A VIDEO, or an IMAGE batch shown at `fps`; `nearest` as for `footage_from_video`."""
    if isinstance(source, Tensor):
        return footage_from_images(source, fps, nearest=nearest)
    return footage_from_video(source, nearest)


def temporary_path(suffix: str) -> Path:
    """A new name in ComfyUI's temporary folder, which it empties when it starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"xdub_{uuid.uuid4().hex[:12]}{suffix}"


def _footage_in(path: Path, video: Video, nearest: bool) -> Footage:
    """A file's frames, trimmed as the VIDEO is; the first of them is number 0."""
    scanned = scan_video(path)
    passes = VideoPasses(scanned, *video.get_active_trim_window(), nearest=nearest)
    info, part = scanned.info, passes.part
    timeline = Timeline(passes.timeline.source_index - part.start, passes.timeline.fps)
    whole = source_clock(scanned.index)
    source = PartOfSource(passes, part.start) if part.start else passes
    return Footage(
        source,
        timeline,
        info.width,
        info.height,
        whole.part(part),
        info,
        info.bit_depth > 8,
        info.bit_depth,
        begins=float(whole.seconds[part.start]),
    )


def _spill(stream: io.BytesIO, path: Path) -> None:
    """Write a video that is in memory to a file."""
    stream.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file)
