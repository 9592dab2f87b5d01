"""Pairs: dubbed anew in chained segments, put back into the original, augmented."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import TINY, context, tiny_dit
from tests.training.test_objective import awake
from xdub_core.audio.features import TensorFeatures
from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.errors import SettingsError
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import UNGUIDED
from xdub_core.training import pairs as pairs_module
from xdub_core.training.augmentation import AugmentationRates, augment_pair, draw_occlusion, draw_relighting
from xdub_core.training.encoding import editor_example, generator_example
from xdub_core.training.pairs import Redubber, RedubSettings, SpeechFeatures, even_frames, other_frames
from xdub_core.vae.cosine import CosineVAE

SIDE = 32
VAE = CosineVAE(4, spatial=8)
SEGMENT = ClipGeometry(13, 5)


def redubber():
    dit = awake(tiny_dit(replace(TINY, background=True))).requires_grad_(False)
    sampler = SamplerSettings(steps=2, guidance=UNGUIDED, border=0)
    return Redubber(dit, context(), VAE, RedubSettings(SEGMENT, sampler, feather=0.0, references=2))


def clips(frames, samples=2):
    random = torch.Generator().manual_seed(0)
    videos = torch.rand(samples, frames, SIDE, SIDE, 3, generator=random)
    masks = torch.zeros(samples, frames, SIDE, SIDE)
    masks[:, :, 16:] = 1
    return videos, masks


def speech(seed, samples=2):
    random = torch.Generator().manual_seed(seed)
    return [
        SpeechFeatures(TensorFeatures(torch.randn(80, TINY.audio_dim, generator=random)), 2)
        for _ in range(samples)
    ]


@pytest.mark.parametrize("frames", [13, 21, 18])
def test_a_redubbed_clip_differs_in_the_mask_alone(frames):
    videos, masks = clips(frames)
    made = redubber().redub(videos, masks, speech(1))
    assert made.shape == videos.shape
    assert torch.equal(made[:, :, :16], videos[:, :, :16])
    assert (made[:, :, 16:] - videos[:, :, 16:]).abs().mean() > 0.01


def test_other_speech_makes_another_mouth():
    videos, masks = clips(13)
    first, second = (redubber().redub(videos, masks, speech(seed)) for seed in (1, 2))
    assert not torch.allclose(first, second, atol=1e-4)


def test_clips_of_a_batch_do_not_mix():
    videos, masks = clips(13)
    changed = videos.clone()
    changed[1] = changed[1].flip(1)
    first, second = (redubber().redub(v, masks, speech(1)) for v in (videos, changed))
    assert torch.allclose(first[0], second[0], atol=1e-5)
    assert not torch.allclose(first[1], second[1], atol=1e-3)


def test_every_segment_continues_the_finished_frames_before_it(monkeypatch):
    seen, done = [], []

    def spy(denoiser, inputs, settings):
        seen.append(inputs)
        return original(denoiser, inputs, settings)

    original = pairs_module.sample_clip
    monkeypatch.setattr(pairs_module, "sample_clip", spy)
    videos, masks = clips(21)
    made = redubber().redub(videos, masks, speech(1), on_segment=lambda *n: done.append(n))
    assert seen[0].motion is None
    expected = torch.cat([VAE.encode(video) for video in made[:, 8:13]])
    assert torch.allclose(seen[1].motion, expected, atol=1e-5)
    assert done == [(1, 2), (2, 2)]


def test_the_generator_never_sees_what_the_mask_hides_but_in_its_references(monkeypatch):
    seen = []
    original = pairs_module.sample_clip

    def spy(denoiser, inputs, settings):
        seen.append(inputs.reference)
        return original(denoiser, inputs, settings)

    monkeypatch.setattr(pairs_module, "sample_clip", spy)
    videos, masks = clips(13)
    other = videos.clone()
    other[:, :, 16:] = 1 - other[:, :, 16:]
    for some in (videos, other):
        redubber().redub(some, masks, speech(1))
    assert torch.equal(*seen)


def test_sizes_that_do_not_go_together_are_refused():
    videos, masks = clips(13)
    with pytest.raises(SettingsError, match="one recording per clip"):
        redubber().redub(videos, masks, speech(1)[:1])


def test_references_lie_evenly_in_the_segment_at_inference():
    assert even_frames(25, 4) == [0, 8, 16, 24]
    assert even_frames(13, 1) == [0]


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 30), st.integers(0, 5))
def test_references_never_come_from_the_segment_in_training(frames, start, length, seed):
    start = min(start, frames - 1)
    stop = min(start + length, frames)
    if stop - start == frames:
        with pytest.raises(SettingsError, match="longer videos"):
            other_frames(np.random.default_rng(seed), frames, start, stop)
        return
    chosen = other_frames(np.random.default_rng(seed), frames, start, stop)
    assert len(chosen) == 4
    assert all(0 <= i < frames and not start <= i < stop for i in chosen)


def test_examples_have_the_shapes_that_the_objectives_read():
    videos, masks = clips(13)
    features = speech(1)[0].features
    example = generator_example(VAE, videos[0], masks[0], videos[0][:4], features, 3, masks[0], masks[0])
    assert {name: tuple(x.shape) for name, x in example.items()} == {
        "target": (4, 4, 4, 4), "background": (4, 4, 4, 4), "reference": (4, 4, 4, 4),
        "audio": (4, 8, 6), "face": (1, 4, 4, 4), "lip": (1, 4, 4, 4),
    }  # fmt: skip
    example = editor_example(VAE, videos[0], videos[1], features, 3, masks[0], masks[0])
    assert example["reference"].shape == example["target"].shape == (4, 4, 4, 4)
    assert torch.allclose(example["rows"].float(), features.read(6, 32), atol=1e-3)


def test_light_and_occluder_are_the_same_on_both_sides():
    videos, _ = clips(13)
    real, synthetic = videos[0], videos[0].clone()
    synthetic[:, 16:] = 0.5
    always = AugmentationRates(light=1.0, occlusion=1.0)
    a, b = augment_pair(real, synthetic, np.random.default_rng(0), always)
    assert torch.equal(a[:, :16], b[:, :16])
    assert not torch.equal(a[:, :16], real[:, :16])
    untouched = augment_pair(real, synthetic, np.random.default_rng(0), AugmentationRates(0, 0))
    assert untouched[0] is real and untouched[1] is synthetic


def test_colours_change_places_on_both_sides():
    videos, _ = clips(13)
    always = AugmentationRates(light=0.0, occlusion=0.0, recoloring=1.0)
    seen = set()
    for seed in range(30):
        a, b = augment_pair(videos[0], videos[0].flip(0), np.random.default_rng(seed), always)
        assert torch.equal(a, b.flip(0))
        seen.add(tuple(a[0, 0, 0].tolist()))
    assert len(seen) == 6
    assert {tuple(sorted(color)) for color in seen} == {tuple(sorted(videos[0][0, 0, 0].tolist()))}


def test_lights_are_static_or_change_smoothly():
    grey = torch.full((13, 8, 8, 3), 0.4)
    kinds = set()
    for seed in range(12):
        lit = draw_relighting(np.random.default_rng(seed)).apply(grey)
        assert lit.min() >= 0 and lit.max() <= 1
        steps = (lit[1:] - lit[:-1]).abs()
        assert steps.max() < 0.1
        kinds.add(steps.max().item() > 1e-6)
    assert kinds == {False, True}


def test_occluders_are_opaque_and_move():
    for seed in range(5):
        occlusion = draw_occlusion(np.random.default_rng(seed))
        mask = occlusion.mask(torch.zeros(13, 96, 96, 3))
        assert mask.max() == 1 and mask.min() == 0
        assert not torch.equal(mask[0], mask[-1])
        black, white = occlusion.apply(torch.zeros(13, 96, 96, 3)), occlusion.apply(torch.ones(13, 96, 96, 3))
        assert torch.equal(black[mask == 1], white[mask == 1])
        assert (black[mask == 0] == 0).all()
