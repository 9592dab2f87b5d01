"""The one place where crops go into frames: those of all speakers, in the order in which they are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xdub_core.compose.own_face import own_share
from xdub_core.compose.paste_back import PasteMode, paste_back, touched_rectangle
from xdub_core.dub.changes import FaceChanges
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.playback import ShownFrames
from xdub_core.dub.scene import FrameSource, source_frames
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import FinishedFrame, Rectangle, untouched


@dataclass(frozen=True)
class DubbedFace:
    """A speaker's new face: where it is, and for each of its shots the output's frames and the crops for them.

    There may be more crops than frames: a shot's last clip mostly runs past its end. `strength`,
    `bystanders`: see `Speaker`.
    """

    track: FaceTrack
    shots: Iterable[tuple[range, Iterable[DubbedCrop]]]
    strength: np.ndarray | None = None
    bystanders: tuple[FaceTrack, ...] = ()


def pasted_frames(
    source: FrameSource, shown: ShownFrames, slots: np.ndarray, faces: Sequence[DubbedFace], mode: PasteMode
) -> Iterator[FinishedFrame]:
    """The frames of the dub: the source's that are `shown`, with every face there pasted in.

    `slots`: the timeline's slot that each of the model's frames shows, and one more would. Where a frame of the output
    lies between two of those, so does its change (`FaceChanges`). One face goes in after the other: where they overlap,
    what a later one changes covers the earlier. Every pixel outside of all boxes is the source's, bit by bit, and so is
    every face where its strength is 0, and what in a box is nearer to a bystander's face.
    """
    changes = [FaceChanges(face.track, face.shots, face.strength, slots, mode) for face in faces]
    frames = source_frames(source, shown.source_index)
    for frame, lips, place in zip(frames, shown.lips.tolist(), shown.place.tolist(), strict=True):
        picture, changed = frame.rgb, list[Rectangle]()
        slot = slots[min(round(place), len(slots) - 1)]
        for face, change in zip(faces, (face.at(lips, place, frame.rgb) for face in changes), strict=True):
            if change is None:
                continue
            others = [other.boxes[slot] for other in face.bystanders if other.is_seen(slot)]
            picture = paste_back(
                frame.rgb,
                change.crop.generated,
                change.crop.source,
                change.box,
                mode,
                change.crop.source_through_vae,
                change.region,
                onto=picture,
                strength=change.strength,
                share=own_share(change.box, others, len(change.crop.generated)) if others else None,
            )
            changed.append(touched_rectangle(change.box, picture.shape, change.region))
        yield FinishedFrame(picture, frame, tuple(changed)) if changed else untouched(frame)
