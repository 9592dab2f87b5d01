"""From footage to the face's boxes, crops and a look at them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xdub_core.compose.preview import with_box
from xdub_core.errors import FaceError
from xdub_core.face.boxes import FixedBox, WholeFrame, box_from_mask, boxes_from_masks, drawn_box, parse_box
from xdub_core.face.crop import CropMode, crop_frame
from xdub_core.face.detector import FaceDetector
from xdub_core.face.given import GivenFaces
from xdub_core.face.track import track_faces
from xdub_core.progress import Progress, ProgressCallback, Stage

from .face_detector import frames_at_once
from .host.progress import counted, interruptible
from .media.frames import Footage, image_from_frame
from .media.on_demand import ImageOnDemand
from .types import TrackedFace

PREVIEWS = 16
"""How many frames the preview shows at most."""


@dataclass(frozen=True)
class CropSettings:
    """How faces are cropped: pixels of a crop, which frames the detector sees, and whether as the release does it."""

    size: int
    every: int = 1
    as_released: bool = False


def given_box(text: str, drawn: Any = None) -> FaceDetector:
    """One box for all frames: BOUNDING_BOX, or else typed as "left, top, right, bottom" in pixels. Raises FaceError."""
    return FixedBox(parse_box(text) if drawn is None else drawn_box(drawn))


def boxes_in_mask(mask: Tensor, footage: Footage) -> FaceDetector:
    """The box around a MASK [n, H, W]: one mask for all frames, or one for each of the source's. Raises FaceError."""
    if mask.shape[-2:] != (footage.height, footage.width):
        raise FaceError(
            f"the mask is {mask.shape[-1]} x {mask.shape[-2]} pixels, but the video is {footage.width} x "
            f"{footage.height}: draw it on a frame of the video, or resize it"
        )
    masks = mask.reshape(-1, *mask.shape[-2:]).float().cpu().numpy()
    if len(masks) == 1:
        box = box_from_mask(masks[0])
        if box is None:
            raise FaceError("the mask is empty: paint over the whole head, hair and chin included")
        return FixedBox(box)
    return boxes_from_masks(masks)


def find_face(
    footage: Footage, detector: FaceDetector, settings: CropSettings, on_progress: ProgressCallback
) -> TrackedFace:
    """Follow the face through the footage, which is read once.

    Given faces are the footage's, frame by frame: where the video is trimmed, the first is of the first frame kept.

    Raises FaceError where there is none, or the given ones do not fit the footage.
    """
    looks = not isinstance(detector, FixedBox | WholeFrame | GivenFaces)
    if isinstance(detector, GivenFaces):
        shown = (
            footage.timeline.source_index
        )  # frames of the file, even where a trim leaves the first ones out
        detector = detector.on_frames(shown - shown[0])
    slots = len(footage.timeline)
    blank = np.broadcast_to(np.uint8(0), (footage.height, footage.width, 3))
    track = track_faces(
        interruptible(footage.slots() if looks else repeat(blank, slots)),
        detector,
        every=settings.every,
        batch=frames_at_once(),
        as_released=settings.as_released,
        progress=lambda done: on_progress(Progress(Stage.FACES, done, slots)),
    )
    clock = None if settings.as_released else footage.clock
    return TrackedFace(track, footage.timeline, settings.size, settings.as_released, clock=clock)


def check_track(face: TrackedFace, footage: Footage) -> None:
    """Raise FaceError unless the face was tracked through this footage, as far as lengths and sizes can tell."""
    tracked, there = (
        (len(face.timeline), face.track.size),
        (len(footage.timeline), (footage.width, footage.height)),
    )
    if tracked != there:
        shown = [f"{frames} frames of {width} x {height}" for frames, (width, height) in (tracked, there)]
        raise FaceError(
            f"the face track is of {shown[0]}, but the video has {shown[1]}: connect the video that Face Crop has"
        )
    if not np.array_equal(face.timeline.source_index, footage.timeline.source_index):
        raise FaceError(
            "the face track is of other frames than those that are dubbed: connect the video that Face Crop has, and "
            "set as_released alike for all face tracks"
        )


def crops_on_demand(footage: Footage, face: TrackedFace, settings: CropSettings) -> Tensor:
    """The crops of all slots, IMAGE [slots, size, size, 3], cut when somebody looks at them."""
    shape = (len(face.timeline), settings.size, settings.size, 3)
    return ImageOnDemand(shape, lambda: cut_crops(footage, face, settings))


def cut_crops(footage: Footage, face: TrackedFace, settings: CropSettings) -> Tensor:
    """The crops of all slots, IMAGE [slots, size, size, 3], all of it in memory."""
    mode: CropMode = "as_released" if settings.as_released else "subpixel"
    crops = torch.empty(len(face.timeline), settings.size, settings.size, 3)
    for slot, frame in enumerate(counted(footage.slots(), len(crops))):
        crops[slot] = torch.from_numpy(crop_frame(frame, face.track.boxes[slot], settings.size, mode))
    return crops


def preview_of(footage: Footage, face: TrackedFace) -> Tensor:
    """Some frames, evenly spread, with the boxes drawn in: IMAGE [n, H, W, 3]."""
    slots = np.linspace(0, len(face.timeline) - 1, min(len(face.timeline), PREVIEWS)).round().astype(int)
    track, frames = face.track, interruptible(footage.source.frames(face.timeline.source_index[slots]))
    drawn = [
        with_box(frame, track.boxes[slot] if track.present[slot] else None)
        for slot, frame in zip(slots, frames, strict=True)
    ]
    return torch.stack([image_from_frame(frame) for frame in drawn])
