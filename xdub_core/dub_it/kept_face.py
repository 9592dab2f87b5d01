"""A face's track, which has 25 boxes a second, on the frames of the source, at whose rate LTX-2 makes the dub."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xdub_core.face.track import FaceTrack

LARGEST_CROP = 768
"""Pixels of a crop's side at most; larger faces are put in from crops of that size."""
SMALLEST_CROP = 32


def on_frames(track: FaceTrack, shows: np.ndarray, frames: int) -> FaceTrack:
    """The track on all `frames` of the source; `shows`: the frame that each of its slots shows, int64, ascending.

    Between two slots of one shot boxes are interpolated; all else is the nearest slot's.
    """
    known, slots = np.unique(shows, return_index=True)
    number = np.arange(frames)
    after = np.clip(np.searchsorted(known, number), 1, max(1, len(known) - 1))
    after = np.minimum(after, len(known) - 1)
    before = np.maximum(after - 1, 0)
    share = (number - known[before]) / np.maximum(known[after] - known[before], 1)
    share = np.clip(share, 0, 1)
    nearest = slots[np.where(share > 0.5, after, before)]
    one, other = slots[before], slots[after]
    same = track.shot_numbers[one] == track.shot_numbers[other]
    between = track.boxes[one] * (1 - share[:, None]) + track.boxes[other] * share[:, None]
    return replace(
        track,
        boxes=np.where(same[:, None], between, track.boxes[nearest]),
        present=track.present[nearest],
        shot_numbers=track.shot_numbers[nearest],
        cuts=tuple(int(np.searchsorted(nearest, cut)) for cut in track.cuts),
        reasons=None if track.reasons is None else track.reasons[nearest],
    )


def crop_size(track: FaceTrack) -> int:
    """Pixels of the side of crops in which the face loses nothing, or `LARGEST_CROP`."""
    side = float((track.boxes[:, 2] - track.boxes[:, 0]).max())
    return min(max(SMALLEST_CROP, 2 * round(side / 2)), LARGEST_CROP)


def shots(track: FaceTrack) -> list[range]:
    """The frames of each shot in which the face is, in order."""
    edges = np.flatnonzero(np.diff(track.shot_numbers)) + 1
    parts = np.split(np.arange(len(track)), edges)
    return [range(part[0], part[-1] + 1) for part in parts if track.shot_numbers[part[0]] >= 0]
