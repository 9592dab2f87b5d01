"""The plan of a dub: the shots that each speaker's face is in, and the chain of clips that covers each of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xdub_core.dub.clip_plan import Clip, ClipGeometry, padded_frames, plan_clips
from xdub_core.errors import FaceError
from xdub_core.face.track import FaceTrack
from xdub_core.media.timeline import ping_pong


@dataclass(frozen=True)
class ShotPlan:
    """How one shot is made: its frames of the output, the clips that cover them, and what those show.

    `slots`: int64, the timeline's slot of every frame that the clips cover; the last clip mostly runs past `frames`.
    """

    frames: range
    clips: tuple[Clip, ...]
    slots: np.ndarray


def plan_dub(
    tracks: Iterable[FaceTrack], frames: int, geometry: ClipGeometry
) -> tuple[tuple[ShotPlan, ...], ...]:
    """The plans of a dub of `frames` frames: for each speaker's track its shots, see `plan_shots`.

    All clips are numbered on, those of the first speaker first: whoever else speaks, theirs keep their numbers.
    Raises FaceError where none of the tracks has a face in those frames.
    """
    plans: list[tuple[ShotPlan, ...]] = []
    planned = 0
    for track in tracks:
        plans.append(_plan(track, frames, geometry, planned))
        planned += sum(len(shot.clips) for shot in plans[-1])
    if not any(plans):
        raise FaceError(
            f"there is no face in the first {frames} frames, which is as long as the dub lasts: trim the video to "
            "where the face appears, or set length to source"
        )
    return tuple(plans)


def plan_shots(track: FaceTrack, frames: int, geometry: ClipGeometry) -> tuple[ShotPlan, ...]:
    """The plan of a dub of one speaker: one chain of clips for each shot, all clips numbered on.

    Raises FaceError where there is none, since the face appears only after them.
    """
    return plan_dub([track], frames, geometry)[0]


def _plan(track: FaceTrack, frames: int, geometry: ClipGeometry, planned: int) -> tuple[ShotPlan, ...]:
    plans: list[ShotPlan] = []
    for shot in shots_of(track.shot_numbers[ping_pong(len(track), frames)]):
        clips = plan_clips(len(shot), shot.start, geometry, planned)
        slots = slots_of_shot(track, frames, shot, padded_frames(len(shot), geometry))
        plans.append(ShotPlan(shot, clips, slots))
        planned += len(clips)
    return tuple(plans)


def shots_of(shot_numbers: np.ndarray) -> tuple[range, ...]:
    """Ranges of frames that belong to one shot each; `shot_numbers`: a track's, int64 [frames]."""
    edges = np.flatnonzero(np.diff(shot_numbers, prepend=-1, append=-1)).tolist()
    return tuple(range(start, stop) for start, stop in pairwise(edges) if shot_numbers[start] >= 0)


def slots_of_shot(track: FaceTrack, frames: int, shot: range, covered: int) -> np.ndarray:
    """Timeline slots of the `covered` frames that a shot's clips cover, in an output of `frames`; int64 [covered].

    The last clip mostly covers frames past the shot's end. They see what the video goes on with, where the shot lasts
    to the end of the output and the face is still there; elsewhere the shot is played to and fro.
    """
    slots = ping_pong(len(track), shot.start + covered)
    stop = shot.stop
    if stop == frames:
        same_shot = track.shot_numbers[slots[stop:]] == track.shot_numbers[slots[shot.start]]
        stop += len(same_shot) if same_shot.all() else int(np.argmin(same_shot))
    return slots[shot.start + ping_pong(stop - shot.start, covered)]
