"""What is told of a dub while it is made: to a report, to a host's picture of it, to whoever watches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.clip_record import ClipOutcome, ClipRecord, ClipVerdict
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.kept_clips import KeptSampler, Plans
from xdub_core.dub.scene import Scene
from xdub_core.sampling.clip_sampling import ClipSampler


class ClipObserver:
    """Is told of the clips of a chain, in the order in which they are sampled. Override what is wanted.

    What a method raises stops the work there.
    """

    def begins(self, clip: Clip, attempt: int) -> None:
        """An attempt at a clip begins, counted from 0."""

    def stepped(self, clip: Clip, step: int, steps: int, latents: Tensor) -> None:
        """`step` of `steps` are done; `latents`: as they are after it."""

    def judged(self, clip: Clip, verdict: ClipVerdict) -> None:
        """What the self-check found of the attempt that began last."""

    def made(self, clip: Clip, outcome: ClipOutcome, latents: Tensor) -> None:
        """A clip is final, as `latents` [1, C, f, h, w], and its frames come next."""


UNOBSERVED = ClipObserver()
"""Where nobody watches."""


class DubObserver:
    """Is told of a whole dub, all speakers' clips in the order in which they are sampled. Override what is wanted.

    Clips are named by their numbers, whose they are the plans tell. What a method raises stops the work there.
    """

    def planned(self, scene: Scene, plans: Plans) -> None:
        """What is going to be dubbed, before the first clip."""

    def begins(self, clip: Clip, attempt: int, seed: int) -> None:
        """An attempt at a clip begins, counted from 0, with the noise of `seed`."""

    def stepped(self, clip: Clip, step: int, steps: int) -> None:
        """`step` of `steps` are done. A clip that was kept takes them all at once."""

    def judged(self, clip: Clip, verdict: ClipVerdict) -> None:
        """What the self-check found of the attempt that began last."""

    def made(self, record: ClipRecord) -> None:
        """A clip is final, and its frames come next."""

    def shown(self, clip: Clip, crop: DubbedCrop) -> None:
        """The middle one of a clip's new frames, before it is pasted."""


NOBODY = DubObserver()
"""Where nobody watches."""


class Observers(DubObserver):
    """Several of them, told in their order."""

    def __init__(self, *observers: DubObserver) -> None:
        self._observers = observers

    def planned(self, scene: Scene, plans: Plans) -> None:
        for each in self._observers:
            each.planned(scene, plans)

    def begins(self, clip: Clip, attempt: int, seed: int) -> None:
        for each in self._observers:
            each.begins(clip, attempt, seed)

    def stepped(self, clip: Clip, step: int, steps: int) -> None:
        for each in self._observers:
            each.stepped(clip, step, steps)

    def judged(self, clip: Clip, verdict: ClipVerdict) -> None:
        for each in self._observers:
            each.judged(clip, verdict)

    def made(self, record: ClipRecord) -> None:
        for each in self._observers:
            each.made(record)

    def shown(self, clip: Clip, crop: DubbedCrop) -> None:
        for each in self._observers:
            each.shown(clip, crop)


@dataclass(frozen=True)
class ShotObserver(ClipObserver):
    """Tells an observer of the whole dub of one shot's chain, and a sampler that keeps clips which attempt is shown.

    `speaker` and `shot` as in `ClipRecord`; `sampler`: what samples this shot's clips.
    """

    observer: DubObserver
    speaker: int
    shot: int
    sampler: ClipSampler

    def begins(self, clip: Clip, attempt: int) -> None:
        self.observer.begins(clip, attempt, self.sampler.seed(clip.number, attempt))

    def stepped(self, clip: Clip, step: int, steps: int, latents: Tensor) -> None:  # noqa: ARG002
        self.observer.stepped(clip, step, steps)

    def judged(self, clip: Clip, verdict: ClipVerdict) -> None:
        self.observer.judged(clip, verdict)

    def made(self, clip: Clip, outcome: ClipOutcome, latents: Tensor) -> None:  # noqa: ARG002
        kept = False
        if isinstance(self.sampler, KeptSampler):
            self.sampler.show(clip.number, outcome.attempt)
            kept = clip.number not in self.sampler.sampled
        seed, redone = self.sampler.seed(clip.number, outcome.attempt), self.sampler.redone(clip.number)
        self.observer.made(ClipRecord(self.speaker, self.shot, clip, seed, outcome, kept, redone))

    def watched(
        self, crops: Iterator[DubbedCrop], shot: range, clips: Sequence[Clip]
    ) -> Iterator[DubbedCrop]:
        """The crops that a chain of clips makes of a shot's frames, of which the middle one of each clip is told."""
        middles = {middle_of(clip, shot): clip for clip in clips}
        for frame, crop in enumerate(crops, clips[0].start):
            if frame in middles:
                self.observer.shown(middles[frame], crop)
            yield crop


def middle_of(clip: Clip, shot: range) -> int:
    """The middle one of the frames that a clip is the first to make, of those in its shot."""
    new = range(clip.new_start, min(clip.stop, shot.stop))
    return new[(len(new) - 1) // 2] if new else shot.stop - 1
