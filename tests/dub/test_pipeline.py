"""The whole dub: lengths, untouched pixels, faces that come and go, interruption."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.dub.fakes import (
    HEIGHT,
    SETTINGS,
    WIDTH,
    Breaking,
    Copying,
    Inventing,
    run_dub,
    scene,
    source_of,
    speaker,
    track_of,
)
from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.clip_plan import ClipGeometry, plan_clips
from xdub_core.dub.model import DubModel
from xdub_core.dub.observer import DubObserver
from xdub_core.dub.pipeline import dub
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import FaceError, SamplingError, SettingsError
from xdub_core.media.timeline import Extend
from xdub_core.progress import Stage
from xdub_core.released.untrained import untrained_model
from xdub_core.sampling.guidance import Velocities
from xdub_core.vae.cosine import CosineVAE
from xdub_core.vae.grid import LatentGrid


@pytest.mark.parametrize("frames", [1, 13, 30, 47])
@pytest.mark.parametrize(
    ("as_released", "extend"), [(True, Extend.BOUNCE), *((False, extend) for extend in Extend)]
)
def test_output_has_the_asked_length_and_follows_the_extended_source(frames, as_released, extend):
    a_scene = scene(frames=frames, extend=extend)
    result = np.stack(run_dub(a_scene, replace(SETTINGS, as_released=as_released)))
    assert len(result) == frames
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[8:48, 20:60] = False
    source = source_of(a_scene)
    assert np.array_equal(result[:, outside], source[:, outside])
    assert (result[:, 20:36, 32:48] != source[:, 20:36, 32:48]).any(axis=(1, 2, 3)).all()


def test_every_pass_of_a_loop_is_dubbed_as_if_it_were_the_first():
    """Silent speech and every clip with the noise of the first: nothing that a pass leaves behind reaches the next."""

    class NumberZero:
        def __init__(self, sampler):
            self.steps, self._sampler = sampler.steps, sampler

        def seed(self, number, attempt):
            return attempt

        def redone(self, number):
            return 0

        def __call__(self, number, clip, on_step=None):
            return self._sampler(0, clip, on_step)

    class Host(DubModel):
        def sampler(self, settings):
            return NumberZero(super().sampler(settings))

    made = dub(scene(20, 60, extend=Extend.LOOP), Host(CosineVAE(48), Inventing()), SETTINGS)
    first, second, third = np.split(np.stack([frame.rgb for frame in made]), 3)
    assert np.array_equal(first, second) and np.array_equal(first, third)


def test_what_the_model_does_not_change_stays_bit_by_bit_whatever_the_vae_loses():
    a_scene = scene(frames=30)
    result = run_dub(a_scene, replace(SETTINGS, keep_unchanged=True), Copying())
    assert np.array_equal(np.stack(result), source_of(a_scene))
    blurred = run_dub(a_scene, SETTINGS, Copying())
    assert not np.array_equal(np.stack(blurred), source_of(a_scene))


@pytest.mark.parametrize("as_released", [False, True])
def test_frames_name_the_rectangle_outside_of_which_they_are_the_sources(as_released):
    settings = replace(SETTINGS, as_released=as_released)
    for frame in dub(scene(frames=13), DubModel(CosineVAE(48), Inventing()), settings):
        outside = np.ones((HEIGHT, WIDTH), bool)
        for left, top, right, bottom in frame.changed:
            outside[top:bottom, left:right] = False
        assert outside.any()
        assert np.array_equal(frame.rgb[outside], frame.source.rgb[outside])


def test_a_dub_that_changes_nothing_names_no_pixel():
    model = DubModel(CosineVAE(48), Copying())
    for frame in dub(scene(frames=9), model, replace(SETTINGS, keep_unchanged=True)):
        assert all(left >= right or top >= bottom for left, top, right, bottom in frame.changed)


def test_frames_without_a_face_pass_through_untouched():
    present = np.ones(40, bool)
    present[[5, 6, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]] = False
    shot = np.zeros(40, int)
    shot[20:30], shot[30:] = -1, 1
    a_scene = scene(40, 40, present, shot)
    result, source = run_dub(a_scene), source_of(a_scene)
    touched = [not np.array_equal(result[i], source[i]) for i in range(40)]
    assert touched == present.tolist()


def test_each_shot_is_a_chain_of_its_own():
    shot = np.repeat([0, 1], 13)
    denoiser = Inventing()
    run_dub(scene(26, 26, None, shot), denoiser=denoiser)
    assert denoiser.clips == 2


def test_clips_are_numbered_over_the_whole_dub():
    numbers = []

    class Sampler:
        steps = 1

        def seed(self, number, attempt):
            return attempt

        def redone(self, number):
            return 0

        def __call__(self, number, clip, on_step=None):
            numbers.append((number, clip.motion_latents))
            on_step(1, 1, clip.reference)
            return clip.reference

    class Host(DubModel):
        def sampler(self, settings):
            return Sampler()

    seen = []
    shot = np.repeat([0, 1, 2], [21, 10, 29])
    list(dub(scene(60, 60, None, shot), Host(CosineVAE(48), None), SETTINGS, seen.append))
    assert numbers == [(0, 0), (1, 2), (2, 0), (3, 0), (4, 2), (5, 2)]
    details = [progress.detail for progress in seen if progress.stage is Stage.CLIPS]
    assert details == [f"clip {number} of 6, step 1 of 1" for number in range(1, 7)]


@pytest.mark.parametrize("temporal", [1, 2, 4, 8])
@pytest.mark.parametrize("as_released", [False, True])
def test_the_clips_follow_the_vae_s_own_geometry(temporal, as_released):
    """A model that changes nothing gives the source back, frame by frame, whatever a latent of the VAE holds."""
    frames, heard = 60, []

    class Listening(Copying):
        def for_clip(self, latents, audio, motion_latents):
            heard.append(audio)
            return super().for_clip(latents, audio, motion_latents)

    a_scene = scene(frames, frames)
    a_scene.source.pictures[:] = np.arange(frames)[:, None, None, None] * 3 + 20  # a grey for every frame
    (speaker,), features = a_scene.speakers, TensorFeatures(torch.arange(500.0)[:, None])
    a_scene = replace(a_scene, speakers=(replace(speaker, features=features),))
    settings = replace(
        SETTINGS,
        geometry=ClipGeometry(25, 9, LatentGrid(192, temporal, 16)),
        match_colors=False,
        as_released=as_released,
    )
    model = DubModel(CosineVAE(192, temporal=temporal, clamp=False), Listening())
    result = np.stack([frame.rgb for frame in dub(a_scene, model, settings)])
    assert len(result) == frames
    assert np.abs(result[:, 30, 40].astype(int) - source_of(a_scene)[:, 30, 40]).max() <= 2
    clips = plan_clips(frames, geometry=settings.geometry, fitted=not as_released)
    for clip, audio in zip(clips, heard, strict=True):
        # [1, f, rows, 1]: the rows of every frame of the clip, without a gap
        first = 2 * (clip.start + 1 - temporal)
        assert audio.shape[1] == settings.geometry.grid.latents(clip.frames)
        expected = torch.arange(first, first + 2 * temporal * audio.shape[1]).clamp(min=0)
        assert audio.flatten().tolist() == expected.tolist()


def test_lengths_that_the_vae_does_not_divide_are_told_at_once():
    model = DubModel(CosineVAE(48, temporal=8), Copying())
    with pytest.raises(SettingsError, match=r"clip of 77 frames, where a latent holds 8"):
        dub(scene(), model, replace(SETTINGS, geometry=ClipGeometry()))
    longer = replace(SETTINGS, geometry=ClipGeometry(25, 9))
    assert len(list(dub(scene(), model, longer))) == 30


def test_sizes_that_do_not_suit_the_model_are_told_at_once_with_both_numbers():
    model = untrained_model()
    with pytest.raises(SettingsError, match=r"crop size of 48, .* steps of 32 pixels"):
        dub(scene(), model, DubSettings(crop_size=48))
    for vae, message in (
        (CosineVAE(48, temporal=8), r"hold 8 frames each, but the model's hold 4"),
        (CosineVAE(16), r"have 16 channels, but the model takes 48"),
    ):
        with pytest.raises(SettingsError, match=message):
            dub(scene(), replace(model, vae=vae), SETTINGS)


@pytest.mark.parametrize("lost", [1, -1])
def test_a_vae_that_loses_or_invents_a_frame_is_told(lost):
    class Losing(CosineVAE):
        def decode_from(self, latents, first):
            frames = super().decode_from(latents, first)
            return frames if first else torch.cat([frames, frames])[: len(frames) + lost]

    with pytest.raises(SamplingError, match=r"decoded [35] frames of latents that hold 4"):
        list(dub(scene(), DubModel(Losing(48), Copying()), SETTINGS))


def test_a_video_of_one_frame_is_held():
    result = run_dub(scene(1, 15))
    assert len(result) == 15
    assert {frame[0, 0, 0] for frame in result} == {0}


def test_deep_frames_stay_deep():
    a_scene = scene(13, 13)
    a_scene.source.pictures = a_scene.source.pictures.astype(np.uint16) * 257
    result = np.stack(run_dub(a_scene))
    assert result.dtype == np.uint16
    assert np.array_equal(result[:, :8], source_of(a_scene)[:, :8])


def test_progress_counts_steps_and_frames_and_can_interrupt():
    seen = []
    run_dub(scene(20, 20), on_progress=seen.append)
    steps = [(p.done, p.total) for p in seen if p.stage is Stage.CLIPS]
    frames = [(p.done, p.total) for p in seen if p.stage is Stage.FRAMES]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert frames == [(n, 20) for n in range(1, 21)]

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_dub(scene(), on_progress=stop)


def test_nan_from_the_model_is_told():
    class Broken(Inventing):
        def for_clip(self, *args):
            return lambda latents, sigma, *_: Velocities(*[latents * torch.nan] * 3)

    with pytest.raises(SamplingError, match="NaN"):
        run_dub(scene(), denoiser=Broken())


def test_a_face_that_appears_after_the_end_of_the_dub_is_told():
    shot = np.repeat([-1, 0], [20, 14])
    with pytest.raises(FaceError, match=r"no face in the first 20 frames.*set length to source"):
        run_dub(scene(34, 20, shot >= 0, shot))
    assert len(run_dub(scene(34, 21, shot >= 0, shot))) == 21


def test_every_clip_is_told_once_with_whose_it_is_before_its_frames_come():
    first, second = (np.repeat([0, -1, 1], [20, 5, 9]), np.repeat([-1, 0], [10, 24]))
    a_scene = scene(34, 34, speakers=[speaker(track_of(first)), speaker(track_of(second))])
    told, shown = [], []
    settings = replace(SETTINGS, sampler=replace(SETTINGS.sampler, seed=7))

    class Told(DubObserver):
        def made(self, record):
            told.append(record)

    for _ in dub(a_scene, DubModel(CosineVAE(48), Inventing()), settings, observer=Told()):
        shown.append(len(told))
    assert sorted((record.clip.number, record.speaker, record.shot, record.seed) for record in told) == [
        (0, 0, 0, 7), (1, 0, 0, 7), (2, 0, 1, 7), (3, 1, 0, 7), (4, 1, 0, 7), (5, 1, 0, 7)
    ]  # fmt: skip
    assert all(record.outcome.attempt == 0 and record.outcome.seconds > 0 for record in told)
    assert (shown[0], shown[-1]) == (1, 6)


def test_clips_are_judged_unless_as_released_or_told_not_to():
    """Every clip of this model is broken: three attempts at the first of three clips, or one."""
    for changes, clips in (
        ({"retries": 2}, 5),
        ({"retries": 0}, 3),
        ({"retries": 2, "as_released": True}, 3),
    ):
        denoiser, sampler = Breaking(), replace(SETTINGS.sampler, border=0)
        run_dub(scene(29, 29), replace(SETTINGS, sampler=sampler, **changes), denoiser)
        assert denoiser.clips == clips
    with pytest.raises(SettingsError, match="-1 retries"):
        replace(SETTINGS, retries=-1)
