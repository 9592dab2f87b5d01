"""How long a dub still takes, by how long its clips have taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipRecord
from xdub_core.dub.kept_clips import Plans
from xdub_core.dub.observer import DubObserver
from xdub_core.dub.scene import Scene


class Forecast(DubObserver):
    """Seconds that the clips of a dub still take, from the second one on that is sampled: the first loads the model.

    What the past took for each frame that was sampled, the future is taken to take, decoding, pasting and attempts that
    were not shown included. Clips that turn out to be kept make it shorter than told.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._to_make: dict[int, int] = {}
        self._began: float | None = None  # when the first sampled clip was made
        self._sampled = 0  # frames since then
        self._took = 0.0

    def planned(self, scene: Scene, plans: Plans) -> None:  # noqa: ARG002
        self.expect(clip for shots in plans for shot in shots for clip in shot.clips)

    def expect(self, clips: Iterable[Clip]) -> None:
        """These clips are to be made."""
        self._to_make = {clip.number: clip.frames for clip in clips}

    def made(self, record: ClipRecord) -> None:
        self._to_make.pop(record.clip.number, None)
        if record.kept:
            return
        now = self._clock()
        if self._began is None:
            self._began = now
        else:
            self._sampled, self._took = self._sampled + record.clip.frames, now - self._began

    @property
    def seconds(self) -> float | None:
        """From the newest clip's end on; None where nothing can be said yet."""
        frames = sum(self._to_make.values())
        if not frames:
            return 0.0
        return self._took / self._sampled * frames if self._sampled else None
