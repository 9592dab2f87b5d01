"""Crops on their way through a dub: cut from the source, generated, finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from xdub_core.compose.color_match import match_color, match_color_as_released
from xdub_core.compose.paste_back import truncated
from xdub_core.dub.scene import Scene
from xdub_core.dub.settings import DubSettings
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack

Crop = np.ndarray
"""float32 [size, size, 3] in 0..1."""

FinishCrop = Callable[[Crop, Crop], Crop]
"""(generated crop, its source crop) -> the generated crop with its colours matched."""


class DubbedCrop(NamedTuple):
    """A generated crop, the source crop that it was made from, and what the VAE makes of that.

    `source_through_vae` tells what the model changed from what the VAE cannot keep; None where it was not asked for.
    """

    generated: Crop
    source: Crop
    source_through_vae: Crop | None = None


def source_crops(scene: Scene, track: FaceTrack, slots: np.ndarray, settings: DubSettings) -> Iterator[Crop]:
    """The crops of a face in these slots of the scene's timeline."""
    frames = scene.source.frames(scene.timeline.source_index[slots])
    for slot, frame in zip(slots, frames, strict=True):
        yield crop_frame(frame, track.boxes[slot], settings.crop_size, settings.crop_mode)


def crop_finisher(match_colors: bool = True, as_released: bool = False) -> FinishCrop:
    """What is done to every generated crop; see `DubSettings`."""
    if as_released:
        return _in_eight_bits(match_color_as_released if match_colors else _as_it_is)
    return match_color if match_colors else _as_it_is


def _as_it_is(generated: Crop, source: Crop) -> Crop:  # noqa: ARG001 (the signature of a FinishCrop)
    return generated


def _in_eight_bits(finish: FinishCrop) -> FinishCrop:
    """As the release does: 8-bit images go in and come out."""

    def finished(generated: Crop, source: Crop) -> Crop:
        eight_bit = truncated(generated * 255).astype(np.float32) / 255
        return truncated(finish(eight_bit, source) * 255).astype(np.float32) / 255

    return finished
