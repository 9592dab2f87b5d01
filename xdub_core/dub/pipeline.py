"""The whole dub as an iterator of finished frames: the engine's front door.

    source frames - crops - chain of clips - colour match +  (of each speaker)
    source frames ----------------------------------------+- paste-back - finished frames

The source is read side by side: for each speaker's crops, and, a clip later, to paste into. So no full frame is ever
kept, and memory does not grow with the length or the size of the video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from xdub_core.dub.clip_chain import ClipChain
from xdub_core.dub.clip_plan import Clip
from xdub_core.dub.crops import DubbedCrop, crop_finisher, source_crops
from xdub_core.dub.frames import DubbedFace, pasted_frames
from xdub_core.dub.kept_clips import KeptClips
from xdub_core.dub.model import DubbingModel
from xdub_core.dub.observer import NOBODY, DubObserver, Observers, ShotObserver
from xdub_core.dub.scene import Scene, Speaker, faded
from xdub_core.dub.settings import DubSettings, check_sizes
from xdub_core.dub.shots import ShotPlan, plan_dub
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.progress import Progress, ProgressCallback, Stage, ignore_progress
from xdub_core.sampling.clip_sampling import ClipSampler


def dub(
    scene: Scene,
    model: DubbingModel,
    settings: DubSettings,
    on_progress: ProgressCallback = ignore_progress,
    observer: DubObserver = NOBODY,
    kept: KeptClips | None = None,
) -> Iterator[FinishedFrame]:
    """Yield the finished frames that `scene.shown` names, shaped and typed like the source's.

    Frames without a face come out as they are, and so does every pixel outside the speakers' face boxes, and every face
    in frames where its speaker's strength is 0. `observer` is told of everything on the way.

    `kept`: where clips are kept, so that what was sampled once is not sampled again; None: nowhere.

    Raises, at once, SettingsError where the settings do not suit the model (`check_sizes`), FaceError where there is
    no face in any of the frames, and what `kept.planned` raises; then SamplingError from the model, MediaError from the
    source, and whatever `on_progress` raises.
    """
    settings = replace(settings, geometry=check_sizes(settings, model))
    plans = plan_scene(scene, settings)
    observer.planned(scene, plans)
    sampler = model.sampler(settings.sampler)
    samplers: Sequence[Sequence[ClipSampler]] = [[sampler] * len(shots) for shots in plans]
    if kept is not None:
        samplers = kept.samplers(scene, plans, settings, sampler)
    return _dub(scene, model, settings, plans, samplers, on_progress, observer)


def plan_scene(scene: Scene, settings: DubSettings) -> tuple[tuple[ShotPlan, ...], ...]:
    """The shots of every speaker, as `dub` makes them; `settings.geometry` as `check_sizes` gave it.

    Raises FaceError where there is no face in any of the frames.
    """
    tracks = (speaker.track for speaker in scene.speakers)
    slots = scene.slots_for(
        scene.frames + settings.geometry.frames
    )  # clips run past the end by less than one
    return plan_dub(
        tracks,
        scene.frames,
        settings.geometry,
        fitted=not settings.as_released,
        slots_for=lambda count: slots[:count],
        idle=[speaker.idle for speaker in scene.speakers],
    )


def sample_shots(
    scene: Scene,
    model: DubbingModel,
    settings: DubSettings,
    kept: KeptClips,
    wanted: Iterable[tuple[int, int]],
) -> None:
    """Sample the clips of some shots of a dub into where they are kept: those of (speaker, shot), both from 0.

    What `dub` does of the same scene is then the same as if it had sampled them itself. Raises what `dub` raises.
    """
    settings = replace(settings, geometry=check_sizes(settings, model))
    plans = plan_scene(scene, settings)
    samplers = kept.samplers(scene, plans, settings, model.sampler(settings.sampler))
    chain = replace(_chain(model, settings), source_through_vae=False)  # which is for pasting alone
    for number, place in wanted:
        speaker, shot = scene.speakers[number], plans[number][place]
        crops, sampler = source_crops(scene, speaker.track, shot.slots, settings), samplers[number][place]
        shown = ShotObserver(NOBODY, number, place, sampler)
        for _ in chain.run(speaker.features, crops, shot.clips, shown, sampler=sampler):
            pass


def _dub(
    scene: Scene,
    model: DubbingModel,
    settings: DubSettings,
    plans: tuple[tuple[ShotPlan, ...], ...],
    samplers: Sequence[Sequence[ClipSampler]],
    on_progress: ProgressCallback,
    observer: DubObserver,
) -> Iterator[FinishedFrame]:
    chain = _chain(model, settings)
    steps = _Steps(sum(len(shot.clips) for shots in plans for shot in shots), on_progress)
    together = Observers(steps, observer)

    def crops_of(number: int, speaker: Speaker, place: int, shot: ShotPlan) -> Iterator[DubbedCrop]:
        crops, sampler = source_crops(scene, speaker.track, shot.slots, settings), samplers[number][place]
        watching = ShotObserver(together, number, place, sampler)
        made = chain.run(speaker.features, crops, shot.clips, watching, sampler=sampler)
        return watching.watched(made, shot.frames, shot.clips)

    def face(number: int, speaker: Speaker, shots: tuple[ShotPlan, ...]) -> DubbedFace:
        made = ((shot.frames, crops_of(number, speaker, place, shot)) for place, shot in enumerate(shots))
        strength = (
            speaker.strength if settings.as_released else faded(speaker.track, speaker.strength, scene.slots)
        )
        return DubbedFace(speaker.track, made, strength, speaker.bystanders)

    faces = [
        face(number, speaker, shots)
        for number, (speaker, shots) in enumerate(zip(scene.speakers, plans, strict=True))
    ]
    shown = scene.shown
    slots = scene.slots_for(scene.frames + 1)
    frames = pasted_frames(scene.source, shown, slots, faces, settings.paste_mode)
    for number, frame in enumerate(frames, 1):
        yield frame
        on_progress(Progress(Stage.FRAMES, number, len(shown)))


def _chain(model: DubbingModel, settings: DubSettings) -> ClipChain:
    return ClipChain(
        model.vae,
        model.sampler(settings.sampler),
        settings.geometry,
        finish=crop_finisher(settings.match_colors, settings.as_released),
        device=model.device,
        as_released=settings.as_released,
        source_through_vae=settings.keep_unchanged and not settings.as_released,
        retries=0 if settings.as_released else settings.retries,
    )


class _Steps(DubObserver):
    """Tells the progress of sampling over all clips, which those of several speakers take in turns."""

    def __init__(self, clips: int, on_progress: ProgressCallback) -> None:
        self._clips, self._on_progress = clips, on_progress
        self._begun = 0

    def begins(self, clip: Clip, attempt: int, seed: int) -> None:  # noqa: ARG002
        self._begun += attempt == 0

    def stepped(self, clip: Clip, step: int, steps: int) -> None:
        detail = f"clip {clip.number + 1} of {self._clips}, step {step} of {steps}"
        done = (self._begun - 1) * steps + step
        self._on_progress(Progress(Stage.CLIPS, done, self._clips * steps, detail))
