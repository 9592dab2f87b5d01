"""Clips that are kept: one that was sampled once, from the same inputs, is not sampled again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.dub.settings import DubSettings
from xdub_core.dub.shots import ShotPlan
from xdub_core.job.folder import CLIPS
from xdub_core.job.keys import key_of
from xdub_core.job.store import Store
from xdub_core.sampling.clip_sampling import ClipInputs, ClipSampler, StepCallback

REDO_ATTEMPTS = 1000
"""Attempts that one more sampling of a clip is away from the one before: more than any check asks for."""

_TOLD_ELSEWHERE = ("track", "features", "strength", "bystanders")
"""Of a speaker's fields: the track's boxes and the features' key are counted alone; the others are for pasting."""

Plans = Sequence[Sequence[ShotPlan]]
"""Of each speaker, the shots."""

Chains = tuple[Mapping[int, str], ...]
"""Of each shot, the keys of its clips by their numbers, in order."""


def _none(chains: Chains, size: int) -> Mapping[str, int]:  # noqa: ARG001 (the signature of KeptClips.planned)
    return {}


@dataclass(frozen=True)
class KeptClips:
    """Where a dub's clips are kept, and what they depend on that its scene does not tell.

    `inputs`: the key of the video and the model; `heard`: for each speaker the key of the recording as the model hears
    it. `planned` is called once, when the clips are planned, with their keys and with the bytes that all of them take;
    it tells by key how often a clip shall have been sampled again, and may raise. `elsewhere` is called after that,
    with the shots and with what `planned` told: it may let others sample them into the store (`pipeline.sample_shots`)
    before any clip is asked for.

    `sampled`: the numbers of the clips that were sampled in this run, as they are; the others were kept.

    A clip depends on the one before it in its shot, so whatever makes that another makes this another.
    """

    store: Store
    inputs: str
    heard: tuple[str, ...]
    planned: Callable[[Chains, int], Mapping[str, int]] = _none
    elsewhere: Callable[[Plans, Mapping[str, int]], None] | None = None
    sampled: set[int] = field(default_factory=set, compare=False)

    def samplers(
        self,
        scene: Scene,
        plans: Plans,
        settings: DubSettings,
        sampler: ClipSampler,
    ) -> tuple[tuple[KeptSampler, ...], ...]:
        """For each speaker's shots what samples their clips: `sampler`, where they are not kept."""
        keys = [
            [self._keys(scene, speaker, heard, shot, settings) for shot in shots]
            for speaker, heard, shots in zip(scene.speakers, self.heard, plans, strict=True)
        ]
        clips = (clip for shots in plans for shot in shots for clip in shot.clips)
        size = sum(_bytes(clip, settings) for clip in clips)
        redos = self.planned(tuple(chain for chains in keys for chain in chains), size)
        if self.elsewhere is not None:
            self.elsewhere(plans, redos)
        return tuple(
            tuple(KeptSampler(sampler, self.store, chain, redos, self.sampled) for chain in chains)
            for chains in keys
        )

    def _keys(
        self, scene: Scene, speaker: Speaker, heard: str, shot: ShotPlan, settings: DubSettings
    ) -> dict[int, str]:
        sampled = replace(settings, keep_unchanged=True, retries=0)  # neither makes an attempt another
        # Of the speaker all that may make a clip another, but what only decides how it is pasted.
        said = {name: value for name, value in vars(speaker).items() if name not in _TOLD_ELSEWHERE}
        keys, before = dict[int, str](), key_of(self.inputs, heard, said, sampled)
        for clip in shot.clips:
            first = clip.start - shot.frames.start
            slots = shot.slots[first : first + clip.stop - clip.start]
            shown = scene.timeline.source_index[slots], speaker.track.boxes[slots]
            before = key_of(before, clip.start, clip.stop, clip.motion_frames, *shown)
            keys[clip.number] = before
        return keys


def _bytes(clip: Clip, settings: DubSettings) -> int:
    """What a clip's latents take, in float32."""
    grid = settings.geometry.grid
    return (
        4 * grid.channels * grid.latents(clip.stop - clip.start) * (settings.crop_size // grid.spatial) ** 2
    )


@dataclass(frozen=True)
class KeptSampler:
    """A `ClipSampler` for the clips of one shot: what is kept is not sampled, what is sampled is kept."""

    sampler: ClipSampler
    store: Store
    keys: Mapping[int, str]
    redos: Mapping[str, int]
    sampled: set[int] = field(default_factory=set, compare=False)
    """Takes the numbers of those that were not kept."""
    _made: dict[tuple[int, int], str] = field(default_factory=dict, init=False, repr=False)
    """The keys of what was made: of each clip's attempts, each after what was shown of the clip before."""
    _shown: dict[int, str] = field(default_factory=dict, init=False, repr=False)
    """The keys of those attempts that are shown: the last ones, unless `show` says otherwise."""

    @property
    def steps(self) -> int:
        return self.sampler.steps

    def __call__(self, number: int, clip: ClipInputs, on_step: StepCallback | None = None) -> Tensor:
        """The latents of clip `number`; see `ClipSampler`."""
        attempt = clip.attempt + REDO_ATTEMPTS * self.redone(number)
        made = key_of(self.keys[number], self._shown.get(number - 1), attempt)
        self._made[number, clip.attempt] = self._shown[number] = made
        if (kept := self.store.load(CLIPS, made)) is not None:
            latents = torch.tensor(kept.arrays["latents"]).to(clip.reference.device)
            if on_step is not None:
                on_step(self.steps, self.steps, latents)
            return latents
        self.sampled.add(number)
        latents = self.sampler(number, replace(clip, attempt=attempt), on_step)
        self.store.save(CLIPS, made, {"latents": latents.cpu().numpy()})
        return latents

    def seed(self, number: int, attempt: int) -> int:
        """See `ClipSampler`."""
        return self.sampler.seed(number, attempt + REDO_ATTEMPTS * self.redone(number))

    def redone(self, number: int) -> int:
        """See `ClipSampler`."""
        return self.redos.get(self.keys[number], 0)

    def show(self, number: int, attempt: int) -> None:
        """Of the attempts at a clip this one is shown: the next clip goes on from it."""
        self._shown[number] = self._made[number, attempt]
