"""The one place where crops go into frames: those of all speakers, in the order in which they are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

import numpy as np

from xdub_core.compose.paste_back import PasteMode, paste_back, touched_rectangle
from xdub_core.compose.region import with_regions
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.scene import FrameSource, source_frames
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import FinishedFrame, Rectangle, untouched
from xdub_core.media.timeline import Timeline


@dataclass(frozen=True)
class DubbedFace:
    """A speaker's new face: where it is, and for each of its shots the output's frames and the crops for them.

    There may be more crops than frames: a shot's last clip mostly runs past its end. `strength`: see `Speaker`.
    """

    track: FaceTrack
    shots: Iterable[tuple[range, Iterable[DubbedCrop]]]
    strength: np.ndarray | None = None


def pasted_frames(
    source: FrameSource, timeline: Timeline, slots: np.ndarray, faces: Sequence[DubbedFace], mode: PasteMode
) -> Iterator[FinishedFrame]:
    """The frames of the dub, which show these slots of the timeline: the source's, with every face there pasted in.

    One face goes in after the other: where they overlap, what a later one changes covers the earlier. Every pixel
    outside of all boxes is the source's, bit by bit, and so is every face where its strength is 0.
    """
    shown = source_frames(source, timeline.source_index[slots])
    crops = zip(*(_for_every_frame(face, len(slots), mode) for face in faces), strict=True)
    strengths = zip(*(_strengths(face, len(slots)) for face in faces), strict=True)
    for slot, frame, of_faces, strong in zip(slots, shown, crops, strengths, strict=True):
        picture, changed = frame.rgb, list[Rectangle]()
        for face, made, strength in zip(faces, of_faces, strong, strict=True):
            if made is None or not strength or not face.track.present[slot]:
                continue
            (crop, region), box = made, face.track.boxes[slot]
            picture = paste_back(
                frame.rgb,
                crop.generated,
                crop.source,
                box,
                mode,
                crop.source_through_vae,
                region,
                onto=picture,
                strength=strength,
            )
            changed.append(touched_rectangle(box, picture.shape, region))
        yield FinishedFrame(picture, frame, tuple(changed)) if changed else untouched(frame)


def _for_every_frame(
    face: DubbedFace, frames: int, mode: PasteMode
) -> Iterator[tuple[DubbedCrop, np.ndarray | None] | None]:
    """The crop of each frame of the output with the region that is changed in it; None outside of the face's shots."""
    done = 0
    for shot, crops in face.shots:
        yield from repeat(None, shot.start - done)
        yield from with_regions(islice(crops, len(shot)), wanted=mode == "change")
        done = shot.stop
    yield from repeat(None, frames - done)


def _strengths(face: DubbedFace, frames: int) -> Iterable[float]:
    return repeat(1.0, frames) if face.strength is None else map(float, face.strength)
