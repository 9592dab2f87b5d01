"""The whole dub as one node: settings that suit the model, and everything that can be checked before the long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.clip_record import ClipRecord
from xdub_core.dub.kept_clips import Chains, KeptClips
from xdub_core.dub.length import FrameRate, Length
from xdub_core.dub.observer import DubObserver, Observers
from xdub_core.dub.pipeline import dub, plan_scene
from xdub_core.dub.playback import Playback
from xdub_core.dub.redo import redo_counts
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.dub.settings import DubSettings, check_sizes
from xdub_core.dub.shots import plan_dub, require_seen
from xdub_core.dub.silence import Silence
from xdub_core.errors import SettingsError
from xdub_core.face.detector import FaceDetector
from xdub_core.face.track import FaceTrack
from xdub_core.job.keys import key_of
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.timeline import MODEL_FPS, Extend, FrameClock, extended_slots
from xdub_core.progress import ProgressCallback
from xdub_core.report.people import Named
from xdub_core.report.watcher import DubWatcher
from xdub_core.sampling.guidance import Guidance
from xdub_core.sampling.reuse import reuse_named

from .audio_features import speech_features
from .clip_sampler import ComfyDubbingModel
from .clips import LiveClips
from .empty_prompt import context_for
from .expert import known_experts
from .face_crop import CropSettings
from .guidance_plot import GuidanceUsed
from .host.cache import Cache, sound_key
from .host.kept import KeptWork, kept_work
from .host.progress import NodeProgress
from .host.warnings import show_text
from .media.footage import footage
from .media.frames import Footage
from .mini import warn_of_real_face
from .model.guidance_patches import warn_of_idle_patches
from .model.identity import patcher_key, vae_key
from .model.own_settings import own_settings
from .model.vae import ComfyVAE
from .model.xdub_model import require_xdub
from .people import FaceFinder
from .types import AudioEncoders, SpeechFeatures, TrackedFace, Voice

FEATURES: Cache[tuple[SpeechFeatures, ...]] = Cache()


@dataclass(frozen=True)
class DubChoices:
    """What the artist chose; `steps` or `crop_size` 0 and no `guidance` leave it to the model.

    `image_fps`: of a source that comes as images. `retries`: see `DubSettings`. `resume`: whether faces, features and
    clips are kept. `redo`: numbers of clips, from 1 on, that are sampled again, each as often as it is in there.
    `speed`: the name of one of `SPEEDS`.
    """

    seed: int
    steps: int = 0
    guidance: Guidance | None = None
    as_released: bool = False
    crop_size: int = 0
    length: Length = Length.AUDIO
    silence: Silence = Silence.CLOSED
    extend: Extend = Extend.BOUNCE
    rate: FrameRate = FrameRate.SOURCE
    image_fps: float = 25.0
    retries: int = 2
    resume: bool = True
    redo: tuple[range, ...] = ()
    speed: str = "exact"

    @property
    def keeps_clock(self) -> bool:
        """Whether the result has the source's frames at their own times, and not the model's."""
        return self.rate is FrameRate.SOURCE and not self.as_released


@dataclass(frozen=True)
class DubbedVideo:
    """The frames of a dub, each sampled when it is asked for; when they appear, and the footage that they are of.

    `guidance`: as it is used. `scene`: what is dubbed. `settings`: those that are used. `speakers`: what the scene's
    speakers are called; `voices`: what they say.
    """

    frames: Iterator[FinishedFrame]
    clock: FrameClock
    source: Footage
    guidance: GuidanceUsed
    scene: Scene
    settings: DubSettings
    speakers: tuple[Named, ...]
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class DubModels:
    """What the artist connected: MODEL, VAE, encoders, what finds faces, and CONDITIONING of the empty prompt."""

    model: Any
    vae: Any
    encoders: AudioEncoders
    detector: FaceDetector | None = None
    empty_prompt: Any = None


def dubbed_video(
    video: Any,
    voices: Sequence[Voice],
    models: DubModels,
    choices: DubChoices,
    live: LiveClips,
    watcher: DubWatcher,
) -> DubbedVideo:
    """The dub of a VIDEO or IMAGE: faces and speech are found now, clips are sampled when their frames are asked for.

    `live` is told of the clips; `watcher` sees all of it, for the report.

    Raises, now, what can be known before the long work: SettingsError for what does not belong together, two voices
    of one person or clips to redo that there are none of, FaceError for no face or no such person, MediaError for no
    sound.
    """
    settings, shown = dub_settings(models.model, choices), NodeProgress()
    sampling = settings.sampler
    used = GuidanceUsed(sampling.guidance, sampling.sigmas, models.model, sampling.reuse)
    dubbing = replace(dubbing_model(models, shown), on_predicted=used.predicted)
    progress = watcher.timed(shown)
    geometry = check_sizes(settings, dubbing)
    tracked = next((voice.face for voice in voices if voice.face is not None), None)
    # A face that is tracked already was tracked through frames that Face Crop chose.
    nearest = choices.keeps_clock if tracked is None else tracked.clock is not None
    source = footage(video, choices.image_fps, nearest)
    kept = kept_work(choices.resume)
    cropped = CropSettings(settings.crop_size, as_released=choices.as_released)
    finder = FaceFinder(video, source, choices.image_fps, models.detector, cropped, progress, kept)
    faces, voices = in_order(finder.faces(voices), voices)
    live.people, live.seed = [face.number for face in faces], choices.seed
    for face in faces:
        warn_of_real_face(models.model, source, face, settings.crop_size)
    check = partial(check_length, [face.track for face in faces], geometry, choices.extend)
    speech = cached_features(voices, models.encoders, choices, len(source.timeline), progress, check, kept)
    scene = scene_of(source, faces, speech, choices)
    clips = kept_clips(kept, finder.contents, models, dubbing.context, speech)
    dubbing, clips = with_redo(choices.redo, scene, settings, dubbing, clips)
    watcher.read_lips_by(models.detector)
    watching = Observers(live, used, watcher, ShowBroken())
    frames = watcher.pictured(dub(scene, dubbing, settings, progress, watching, kept=clips))
    named = tuple(named_speaker(face, place) for place, face in enumerate(faces, 1))
    return DubbedVideo(frames, scene.shown.clock, source, used, scene, settings, named, tuple(voices))


def check_length(tracks: Sequence[FaceTrack], geometry: ClipGeometry, extend: Extend, frames: int) -> None:
    """Raise FaceError where nobody, or not everybody who has a recording, is seen in a dub of so many frames."""
    plan_dub(tracks, frames, geometry, extend)
    named = ["somebody who has a recording"] * len(tracks)
    require_seen(tracks, extended_slots(len(tracks[0]), frames, extend)(frames), named)


def scene_of(
    source: Footage, faces: Sequence[TrackedFace], speech: Sequence[SpeechFeatures], choices: DubChoices
) -> Scene:
    """What is dubbed: the footage, and who says what in it."""
    speakers = tuple(
        Speaker(face.track, said.features, said.strength, face.bystanders)
        for face, said in zip(faces, speech, strict=True)
    )
    timeline, extend = source.timeline, choices.extend
    playback = Playback(source.clock, timeline, extend, speech[0].end) if choices.keeps_clock else None
    return Scene(source.source, timeline, speakers, speech[0].frames, extend, playback)


def named_speaker(face: TrackedFace, place: int) -> Named:
    """What a speaker is called; `place`: among the scene's, for somebody whom nobody counted."""
    number = face.number or place
    return Named(f"person {number}", "", number)


def with_redo(
    asked: Sequence[range],
    scene: Scene,
    settings: DubSettings,
    dubbing: ComfyDubbingModel,
    kept: KeptClips | None,
) -> tuple[ComfyDubbingModel, KeptClips | None]:
    """Model and kept clips for a dub in which some clips are sampled again. Raises SettingsError for no such clip.

    Where clips are kept, those that were sampled again are kept beside the others, and come back with the same `asked`.
    """
    if not asked:
        return dubbing, kept
    plans = plan_scene(scene, replace(settings, geometry=check_sizes(settings, dubbing)))
    clips = sum(len(shot.clips) for shots in plans for shot in shots)
    counts = redo_counts(asked, clips, "redo")
    if kept is None:
        return replace(dubbing, redo=counts), None

    def planned(chains: Chains, size: int) -> Mapping[str, int]:  # noqa: ARG001 (see KeptClips)
        return {key: counts[number] for chain in chains for number, key in chain.items() if number in counts}

    return dubbing, replace(kept, planned=planned)


class ShowBroken(DubObserver):
    """Shows on the node which clip did not pass the self-check in any attempt, as the engine's log tells."""

    def made(self, record: ClipRecord) -> None:
        verdict = record.outcome.verdict
        if verdict is not None and not record.outcome.passed:
            clip = record.clip
            show_text(
                f"the clip from {clip.new_start / MODEL_FPS:.2f} s to {clip.stop / MODEL_FPS:.2f} s looks broken in "
                f"every attempt ({', '.join(verdict.reasons)}): try another seed, or more steps"
            )


def in_order(faces: Sequence[TrackedFace], voices: Sequence[Voice]) -> tuple[list[TrackedFace], list[Voice]]:
    """Smaller faces first: nearer ones cover them where they overlap."""
    order = sorted(range(len(faces)), key=lambda number: faces[number].track.mean_side)
    return [faces[number] for number in order], [voices[number] for number in order]


def dub_settings(model: Any, choices: DubChoices) -> DubSettings:
    """The model's own settings, the release's where it has none, with what was chosen. Raises SettingsError."""
    require_xdub(model)
    own = own_settings(model)
    sampler = replace(
        own.sampler,
        seed=choices.seed,
        steps=choices.steps or own.sampler.steps,
        guidance=choices.guidance or own.sampler.guidance,
        reuse=reuse_named(choices.speed),
    )
    size = choices.crop_size or own.crop_size
    return replace(
        own, sampler=sampler, as_released=choices.as_released, crop_size=size, retries=choices.retries
    )


def dubbing_model(models: DubModels, progress: NodeProgress) -> ComfyDubbingModel:
    """MODEL and VAE as the engine takes them, which belong together.

    Raises SettingsError where they or the encoders do not, MissingModelError without the empty prompt.
    """
    model = models.model
    require_xdub(model)
    sizes = model.model.diffusion_model.config
    if models.encoders.width != sizes.audio_dim:
        raise SettingsError(
            f"the audio encoders give features {models.encoders.width} wide, but the model takes {sizes.audio_dim}: "
            "connect those that belong to it (Load Audio Encoders for the released model, the built-in model's for "
            "itself)"
        )
    warn_of_idle_patches(model)
    progress.preview_with(model)
    video_vae = ComfyVAE(models.vae, sizes.latent_channels)
    return ComfyDubbingModel(model, video_vae, context_for(model, models.empty_prompt), show=progress.show)


def cached_features(
    voices: Sequence[Voice],
    encoders: AudioEncoders,
    choices: DubChoices,
    frames: int,
    progress: ProgressCallback,
    check: Callable[[int], object],
    kept: KeptWork,
) -> tuple[SpeechFeatures, ...]:
    """The features of what voices say, encoded now or cached; see `speech_features`. `frames`: the video's."""
    audios, length = [voice.audio for voice in voices], choices.length
    silence = Silence.MODEL if choices.as_released else choices.silence
    keys = tuple(sound_key(audio) for audio in audios)
    speech = FEATURES.get(
        encoders,
        None if None in keys else (keys, length, None if length is Length.AUDIO else frames, silence),
        lambda: speech_features(audios, encoders, length, frames, progress, check, kept, silence),
    )
    check(speech[0].frames)  # features that are cached were checked with other faces
    return speech


def kept_clips(
    kept: KeptWork, contents: str | None, models: DubModels, context: Tensor, speech: Sequence[SpeechFeatures]
) -> KeptClips | None:
    """Where clips are kept; None: nowhere, as where something that they are made from is not known.

    `contents`: the key of the video's; `context`: the empty prompt.
    """
    if kept.store is None:
        return None
    inputs = kept.key("clips", contents, dubbing_key(models), context.float().cpu().numpy())
    heard = tuple(said.key for said in speech if said.key is not None)
    return KeptClips(kept.store, inputs, heard) if inputs and len(heard) == len(speech) else None


def dubbing_key(models: DubModels) -> str | None:
    """The key of MODEL and VAE; None where it cannot be known surely what they compute (see `model.identity`)."""
    parts = patcher_key(models.model, known_experts(models.model)), vae_key(models.vae)
    return None if None in parts else key_of(*parts)
