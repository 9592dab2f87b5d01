"""The plan of a dub: the shots that each speaker's face is in, and the chain of clips that covers each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xdub_core.dub.clip_plan import Clip, ClipGeometry, plan_clips
from xdub_core.errors import FaceError
from xdub_core.face.track import FaceTrack
from xdub_core.media.timeline import MODEL_FPS, Extend, SlotsFor, extended_slots, jumps, ping_pong


@dataclass(frozen=True)
class ShotPlan:
    """How one shot is made: its frames of the output, the clips that cover them, and what those show.

    `slots`: int64, the timeline's slot of every frame that the clips cover; the last clip mostly runs past `frames`.
    """

    frames: range
    clips: tuple[Clip, ...]
    slots: np.ndarray


def plan_dub(
    tracks: Iterable[FaceTrack],
    frames: int,
    geometry: ClipGeometry,
    extend: Extend = Extend.BOUNCE,
    *,
    fitted: bool = True,
    slots_for: SlotsFor | None = None,
    idle: Sequence[np.ndarray | None] | None = None,
) -> tuple[tuple[ShotPlan, ...], ...]:
    """The plans of a dub of `frames` frames: for each speaker's track its shots, see `plan_shots`.

    `extend`: how the video is made longer where it is shorter than that. `fitted`: clips no longer than their shot
    needs, or all of full length. `slots_for`: what the output shows, in place of the timeline and how it is extended.
    `idle`: for each track, bool [frames], where nothing of it is wanted; None: nowhere.
    All clips are numbered on, those of the first speaker first: whoever else speaks, theirs keep their numbers.
    Raises FaceError where none of the tracks has a face in those frames.
    """
    plans: list[tuple[ShotPlan, ...]] = []
    planned, somebody = 0, False
    for number, track in enumerate(tracks):
        shown = slots_for or extended_slots(len(track), frames, extend)
        shots = shots_of(track, shown(frames), None if idle is None else idle[number])
        plans.append(_plan(track, frames, shots, geometry, planned, shown, fitted))
        planned += sum(len(shot.clips) for shot in plans[-1])
        somebody = somebody or bool(plans[-1] or shots_of(track, shown(frames)))
    if not somebody:
        raise FaceError(
            f"there is no face in the first {frames} frames, which is as long as the dub lasts: trim the video to "
            "where the face appears, or set length to source"
        )
    return tuple(plans)


def require_seen(
    tracks: Iterable[FaceTrack],
    slots: np.ndarray,
    named: Iterable[str],
    instead: str = "set length to source",
) -> None:
    """Raise FaceError for somebody who has a recording, and is in none of the output's `slots`.

    `named`: what the error calls each of them; `instead`: what it advises besides leaving the recording out.
    """
    for track, name in zip(tracks, named, strict=True):
        if not track.present[slots].any():
            first = int(track.present.argmax()) / MODEL_FPS
            raise FaceError(
                f"{name} is first seen at {first:.2f} s of the video, when the dub has ended, at "
                f"{len(slots) / MODEL_FPS:.2f} s; leave the recording out, or {instead}"
            )


def plan_shots(
    track: FaceTrack,
    frames: int,
    geometry: ClipGeometry,
    extend: Extend = Extend.BOUNCE,
    *,
    fitted: bool = True,
    slots_for: SlotsFor | None = None,
    idle: np.ndarray | None = None,
) -> tuple[ShotPlan, ...]:
    """The plan of a dub of one speaker: one chain of clips for each shot, all clips numbered on.

    Raises FaceError where there is none, since the face appears only after them.
    """
    (plan,) = plan_dub([track], frames, geometry, extend, fitted=fitted, slots_for=slots_for, idle=[idle])
    return plan


def _plan(
    track: FaceTrack,
    frames: int,
    shots: Iterable[range],
    geometry: ClipGeometry,
    planned: int,
    slots_for: SlotsFor,
    fitted: bool,
) -> tuple[ShotPlan, ...]:
    plans: list[ShotPlan] = []
    for shot in shots:
        clips = plan_clips(len(shot), shot.start, geometry, planned, fitted=fitted)
        slots = slots_of_shot(track, frames, shot, clips[-1].stop - shot.start, slots_for)
        plans.append(ShotPlan(shot, clips, slots))
        planned += len(clips)
    return tuple(plans)


def shots_of(track: FaceTrack, slots: np.ndarray, idle: np.ndarray | None = None) -> tuple[range, ...]:
    """Ranges of frames that belong to one shot each, of an output that shows these slots.

    A shot ends where the face's does, and where the output cuts to elsewhere in the video, as a loop does. `idle`
    frames, bool [slots], belong to none.
    """
    numbers = track.shot_numbers[slots]
    if idle is not None:
        numbers = np.where(idle, -1, numbers)
    changes = np.diff(numbers, prepend=-1, append=-1) != 0
    changes[1:-1] |= jumps(slots)
    edges = np.flatnonzero(changes).tolist()
    return tuple(range(start, stop) for start, stop in pairwise(edges) if numbers[start] >= 0)


def slots_of_shot(
    track: FaceTrack, frames: int, shot: range, covered: int, slots_for: SlotsFor
) -> np.ndarray:
    """Timeline slots of the `covered` frames that a shot's clips cover, in an output of `frames`; int64 [covered].

    The last clip mostly covers frames past the shot's end. They see what the video goes on with, where the shot lasts
    to the end of the output and would last longer; elsewhere the shot is played to and fro.
    """
    slots = slots_for(shot.start + covered)
    lasts = len(shots_of(track, slots[shot.start :])[0]) if shot.stop == frames else len(shot)
    return slots[shot.start + ping_pong(lasts, covered)]
