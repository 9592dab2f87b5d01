"""The whole dub as one node: settings that suit the model, and everything that can be checked before the long work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from xdub_core.dub.length import Length
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.face.detector import FaceDetector
from xdub_core.sampling.guidance import Guidance

from .audio_features import speech_features
from .clip_sampler import ComfyDubbingModel
from .empty_prompt import context_for
from .face_crop import CropSettings, find_face
from .host.cache import Cache, footage_key, sound_key
from .host.progress import NodeProgress
from .media.frames import Footage
from .model.guidance_patches import warn_of_idle_patches
from .model.vae import ComfyVAE
from .model.xdub_model import require_xdub
from .types import AudioEncoders, SpeechFeatures, TrackedFace

SETTINGS = "xdub_settings"
"""Attachment of a MODEL that says how it is best used: `DubSettings`."""

FEATURES: Cache[SpeechFeatures] = Cache()
TRACKS: Cache[TrackedFace] = Cache()


@dataclass(frozen=True)
class DubChoices:
    """What the artist chose; `steps` or `crop_size` 0 and no `guidance` leave it to the model."""

    seed: int
    steps: int
    guidance: Guidance | None
    as_released: bool
    crop_size: int = 0


def own_settings(model: Any) -> DubSettings:
    """How a MODEL is best used: as its loader says, or as the release is."""
    return model.get_attachment(SETTINGS) or DubSettings()


def dub_settings(model: Any, choices: DubChoices) -> DubSettings:
    """The model's own settings, the release's where it has none, with what was chosen. Raises SettingsError."""
    require_xdub(model)
    own = own_settings(model)
    sampler = replace(
        own.sampler,
        seed=choices.seed,
        steps=choices.steps or own.sampler.steps,
        guidance=choices.guidance or own.sampler.guidance,
    )
    size = choices.crop_size or own.crop_size
    return replace(own, sampler=sampler, as_released=choices.as_released, crop_size=size)


def dubbing_model(
    model: Any, vae: Any, encoders: AudioEncoders, empty_prompt: Any, progress: NodeProgress
) -> ComfyDubbingModel:
    """MODEL and VAE as the engine takes them, which belong together.

    Raises SettingsError where they or the encoders do not, MissingModelError without the empty prompt.
    """
    require_xdub(model)
    sizes = model.model.diffusion_model.config
    if encoders.width != sizes.audio_dim:
        raise SettingsError(
            f"the audio encoders give features {encoders.width} wide, but the model takes {sizes.audio_dim}: connect "
            "those that belong to it (Load Audio Encoders for the released model, the built-in model's for itself)"
        )
    warn_of_idle_patches(model)
    progress.preview_with(model)
    video_vae = ComfyVAE(vae, sizes.latent_channels)
    return ComfyDubbingModel(model, video_vae, context_for(model, empty_prompt), show=progress.show)


def cached_track(
    video: Any,
    source: Footage,
    detector: FaceDetector,
    settings: CropSettings,
    progress: NodeProgress,
    fps: float,
) -> TrackedFace:
    """The face that the detector finds in a video, of `fps` where it comes as images, or the cached one. FaceError."""
    key = footage_key(video, fps)
    return TRACKS.get(
        detector,
        None if key is None else (key, settings),
        lambda: find_face(source, detector, settings, progress),
    )


def cached_features(
    audio: dict[str, Any],
    encoders: AudioEncoders,
    length: Length,
    frames: int,
    progress: NodeProgress,
    check: Callable[[int], object],
) -> SpeechFeatures:
    """The features of a recording, encoded now or cached; see `speech_features`. `frames`: the video's."""
    key = sound_key(audio)
    return FEATURES.get(
        encoders,
        None if key is None else (key, length, None if length is Length.AUDIO else frames),
        lambda: speech_features(audio, encoders, length, frames, progress, check),
    )
