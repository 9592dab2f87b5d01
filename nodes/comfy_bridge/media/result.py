"""Finished frames as ComfyUI's VIDEO or IMAGE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import InputImpl, io, ui
from torch import Tensor

from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.origin import Origin, origin_of_edit
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.mix import Sound
from xdub_core.media.timeline import MODEL_FPS, FrameClock

from .footage import temporary_path
from .frames import Footage, image_from_frame
from .sound import heard_together

Beside = Callable[[Sound | None], AbstractContextManager[Callable[[FinishedFrame], None]]]


@contextmanager
def _nothing_beside(sound: Sound | None) -> Iterator[Callable[[FinishedFrame], None]]:  # noqa: ARG001
    yield lambda frame: None  # noqa: ARG005


def video_of(
    frames: Iterable[FinishedFrame],
    source: Footage,
    audios: Sequence[Mapping[str, Any]],
    quality: int,
    clock: FrameClock | float | Fraction = MODEL_FPS,
    beside: Beside = _nothing_beside,
    done: str = Origin.done,
) -> Any:
    """A VIDEO of the frames, with the sound of all AUDIOs: encoded as they come, into ComfyUI's temporary folder.

    `clock`: when the frames appear. `beside`: what takes the frames as well, given the sound. `done`: what AI did, as
    the file says it.

    HEVC of 10 bits where the source is known to be deeper than 8, else H.264; `quality`: CRF. Save Video then copies
    the streams, so nothing is encoded twice, and the comment that says that AI edited it. Raises MediaError.
    """
    path = temporary_path(".mp4")
    deep = source.bit_depth > 8
    settings = EncodeSettings("hevc" if deep else "h264", quality=quality, bit_depth=10 if deep else 8)
    origin = Origin() if source.info is None else origin_of_edit(source.info.path)
    with (
        heard_together(audios) as sound,
        VideoWriter(
            path,
            source.width,
            source.height,
            clock,
            settings,
            sound,
            like=source.info,
            origin=replace(origin, done=done),
        ) as writer,
        beside(sound) as also,
    ):
        for frame in frames:
            writer.write(frame)
            also(frame)
    return InputImpl.VideoFromFile(str(path))


def shown(video: Any) -> ui.PreviewVideo:
    """A VIDEO that `video_of` made, as its node shows it."""
    path = Path(video.get_stream_source())
    return ui.PreviewVideo([ui.SavedResult(path.name, "", io.FolderType.temp)])


def image_of(frames: Iterable[FinishedFrame], count: int, source: Footage) -> Tensor:
    """An IMAGE [count, H, W, 3] of the frames, all of it in memory."""
    images = torch.empty(count, source.height, source.width, 3)
    for number, frame in enumerate(frames):
        images[number] = image_from_frame(frame.rgb)
    return images
