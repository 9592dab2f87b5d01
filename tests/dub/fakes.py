"""A small scene and models for it that need no weights."""

from __future__ import annotations

import numpy as np
import torch

from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.model import DubModel
from xdub_core.dub.pipeline import dub
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.dub.settings import DubSettings
from xdub_core.face.track import FaceTrack
from xdub_core.media.timeline import Extend, Timeline
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import Velocities
from xdub_core.vae.cosine import CosineVAE

WIDTH, HEIGHT = 80, 64
BOX = np.array([20.0, 8, 60, 48])
SETTINGS = DubSettings(
    crop_size=32,
    geometry=ClipGeometry(13, 5),
    sampler=SamplerSettings(steps=2),
    match_colors=False,
    retries=0,  # and the models here break every clip
    keep_unchanged=False,  # the sources are noise, which the VAE greys as the denoiser does
)


class Frames:
    """A source in memory. Each frame's top left pixel holds its number."""

    def __init__(self, count):
        random = np.random.default_rng(0)
        self.pictures = random.integers(60, 190, (count, HEIGHT, WIDTH, 3), dtype=np.uint8)
        self.pictures[:, 0, 0, 0] = np.arange(count)

    def frames(self, indices):
        yield from (self.pictures[index].copy() for index in indices)


class Inventing:
    """A denoiser that turns every crop into a picture of its own (grey)."""

    def __init__(self):
        self.clips = 0

    def for_clip(self, reference, audio, motion_latents):
        self.clips += 1

        def denoise(latents, sigma, *_):
            velocity = latents / sigma
            return Velocities(velocity, velocity, velocity)

        return denoise


class Breaking(Inventing):
    """A denoiser whose every clip is noise."""

    def for_clip(self, reference, audio, motion_latents):
        self.clips += 1
        wrong = reference + torch.randn(reference.shape)

        def denoise(latents, sigma, *_):
            velocity = (latents - wrong) / sigma
            return Velocities(velocity, velocity, velocity)

        return denoise


class Copying:
    """A denoiser that changes nothing."""

    def for_clip(self, reference, audio, motion_latents):
        def denoise(latents, sigma, *_):
            velocity = (latents - reference) / sigma
            return Velocities(velocity, velocity, velocity)

        return denoise


def track_of(shot_numbers, present=None, box=BOX):
    """A track whose face does not move; it is there in all frames of its shots, unless `present` says else."""
    shot_numbers = np.asarray(shot_numbers)
    present = shot_numbers >= 0 if present is None else np.asarray(present, bool)
    return FaceTrack(np.tile(box, (len(shot_numbers), 1)), present, shot_numbers, (WIDTH, HEIGHT))


def speaker(track, says=0.0):
    """One whose features are all `says`."""
    return Speaker(track, TensorFeatures(torch.full((500, 3), float(says))))


def scene(source_frames=20, frames=30, present=None, shot=None, speakers=None, extend=Extend.BOUNCE):
    if speakers is None:
        present = np.ones(source_frames, bool) if present is None else np.asarray(present, bool)
        speakers = [speaker(track_of(np.where(present, 0, -1) if shot is None else shot, present))]
    timeline = Timeline(np.arange(source_frames))
    return Scene(Frames(source_frames), timeline, tuple(speakers), frames, extend)


def run_dub(a_scene, settings=SETTINGS, denoiser=None, on_progress=lambda progress: None):
    model = DubModel(CosineVAE(48), denoiser or Inventing())
    return [frame.rgb for frame in dub(a_scene, model, settings, on_progress)]


def source_of(a_scene):
    return a_scene.source.pictures[a_scene.slots]
