"""What the Clips panel shows of a dub while it is made, and afterwards: the record of its shots and clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import folder_paths
import numpy as np

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipRecord, ClipVerdict
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.forecast import Forecast
from xdub_core.dub.kept_clips import Plans
from xdub_core.dub.observer import DubObserver
from xdub_core.dub.scene import Scene
from xdub_core.media.timeline import MODEL_FPS
from xdub_core.report.people import reasons_of, spans_of
from xdub_core.report.pictures import jpeg

from .host.events import Listener, LiveRecord, Record, current_listener
from .types import ReferenceLatents

EVENT = "xdub.clips"
OUTPUT = "xdub_clips"
"""Of the node's ui: a list with the record of each execution."""
FOLDER = "x-dub"
"""In ComfyUI's temporary folder."""
PICTURE_SIDE = 144


@dataclass(frozen=True)
class Lane:
    """One speaker's shots: each its frames of the output and its clips.

    `person`: as People (X-Dub) counts them, 0 where nobody counted; `untouched`: (start, stop, why) in frames.
    """

    person: int
    shots: Sequence[tuple[range, Sequence[Clip]]]
    untouched: Sequence[tuple[int, int, str]] = ()

    @property
    def told(self) -> Record:
        shots = [
            [
                shot.start,
                shot.stop,
                [[clip.number, clip.new_start, min(clip.stop, shot.stop), clip.frames] for clip in clips],
            ]
            for shot, clips in self.shots
        ]
        return {"person": self.person, "shots": shots, "untouched": [list(each) for each in self.untouched]}


class LiveClips(DubObserver, AbstractContextManager["LiveClips"]):
    """Tells the browser of the clips as they are made; within the context the work goes on, then it has ended.

    The record, `whole`, plain JSON:

        fps, frames     of the dub, on the model's clock
        seed            of the settings, so that others can be redone with the same
        lanes           of each speaker: person, shots [start, stop, clips], each clip [number, first new frame, stop,
                        frames that it samples], and untouched [start, stop, why]
        clips           by number, from when each begins: state (sampling, unchecked, passed, failed), step, steps,
                        attempts by number from 0, each its seed and reasons; then shown (attempt), seed, seconds, kept,
                        redone, picture (as /view finds it: the face as it came, and beside it as it went)
        elapsed, left   seconds since the node began, and until the end, null where nothing can be said of that
        ended           done or stopped

    Seeds are texts, since JavaScript's numbers do not hold them all.
    """

    def __init__(
        self,
        listener: Listener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.people: Sequence[int] = ()
        """The speakers' numbers; to be known before the plan is told, as is `seed`."""
        self.seed = 0
        self._clock, self._began = clock, clock()
        listener = listener or current_listener()
        self._live = LiveRecord(EVENT, listener)
        self._forecast = Forecast(clock)
        self._pictures = Pictures(listener)

    @property
    def whole(self) -> Record:
        """The record as it is now."""
        return self._live.whole

    @property
    def output(self) -> dict[str, list[Any]]:
        """For the node's ui."""
        return {OUTPUT: [self.whole]}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._change({"ended": "done" if kind is None else "stopped"}, at_once=True)

    def planned(self, scene: Scene, plans: Plans) -> None:
        numbers = [*self.people, *[0] * len(plans)]
        slots = scene.slots
        lanes = []
        for speaker, shots, number in zip(scene.speakers, plans, numbers, strict=False):
            reasons = reasons_of(speaker, slots, [shot.frames for shot in shots])
            untouched = [
                (each.start_frame, each.stop_frame, each.reason) for each in spans_of(reasons) if each.reason
            ]
            lanes.append(Lane(number, [(shot.frames, shot.clips) for shot in shots], untouched))
        self.plan(scene.frames, lanes)

    def plan(self, frames: int, lanes: Sequence[Lane]) -> None:
        """What is going to be dubbed, in so many frames."""
        self._forecast.expect(clip for lane in lanes for _, clips in lane.shots for clip in clips)
        plan = {"fps": MODEL_FPS, "frames": frames, "seed": str(self.seed), "clips": {}}
        self._change({**plan, "lanes": [lane.told for lane in lanes]}, at_once=True)

    def begins(self, clip: Clip, attempt: int, seed: int) -> None:
        begun = {"state": "sampling", "step": 0, "attempts": {str(attempt): {"seed": str(seed)}}}
        self._tell(clip, begun)

    def stepped(self, clip: Clip, step: int, steps: int) -> None:
        self._tell(clip, {"step": step, "steps": steps})

    def judged(self, clip: Clip, verdict: ClipVerdict) -> None:
        attempts = self.whole["clips"][str(clip.number)]["attempts"]
        self._tell(clip, {"attempts": {str(len(attempts) - 1): {"reasons": list(verdict.reasons)}}})

    def made(self, record: ClipRecord) -> None:
        self._forecast.made(record)
        outcome = record.outcome
        state = "unchecked" if outcome.verdict is None else "passed" if outcome.passed else "failed"
        told = {
            "state": state,
            "shown": outcome.attempt,
            "seed": str(record.seed),
            "seconds": round(outcome.seconds, 2),
            "kept": record.kept,
            "redone": record.redone,
        }
        left = self._forecast.seconds
        self._tell(record.clip, told, left=None if left is None else round(left, 1))

    def shown(self, clip: Clip, crop: DubbedCrop) -> None:
        if (picture := self._pictures.save(clip.number, crop)) is not None:
            self._tell(clip, {"picture": picture})

    def _tell(self, clip: Clip, told: Record, **more: Any) -> None:
        self._change({"clips": {str(clip.number): told}, **more})

    def _change(self, change: Record, at_once: bool = False) -> None:
        elapsed = round(self._clock() - self._began, 1)
        self._live.change({**change, "elapsed": elapsed}, at_once=at_once)


def lane_of(reference: ReferenceLatents) -> Lane:
    """The one speaker of the step-by-step nodes; why frames lie in no shot they do not know."""
    shots = [(shot.frames, shot.clips) for shot in reference.shots]
    edges = [0, *(edge for frames, _ in shots for edge in (frames.start, frames.stop)), reference.frames]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return Lane(0, shots, [(start, stop, "") for start, stop in gaps if stop > start])


class Pictures:
    """The clips' pictures as files in ComfyUI's temporary folder; where that cannot be written there are none."""

    def __init__(self, listener: Listener | None) -> None:
        self._stem = None
        if listener is not None:
            node = "".join(each if each.isalnum() else "_" for each in listener.node)
            self._stem = f"clip_{listener.prompt}_{node}_{listener.run}"

    def save(self, number: int, crop: DubbedCrop) -> dict[str, str] | None:
        """Save a clip's; what /view takes to find it. None where nobody looks, or it cannot be saved."""
        if self._stem is None:
            return None
        name = f"{self._stem}_{number}.jpg"
        try:
            folder = Path(folder_paths.get_temp_directory()) / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(jpeg(side_by_side(crop), 2 * PICTURE_SIDE))
        except OSError:
            return None
        return {"filename": name, "subfolder": FOLDER, "type": "temp"}


def side_by_side(crop: DubbedCrop) -> np.ndarray:
    """A crop as it came and, to the right of it, as it went: uint8 [S, 2 S, 3]."""
    both = np.concatenate([crop.source, crop.generated], axis=1)
    return (np.clip(both, 0, 1) * 255 + 0.5).astype(np.uint8)
