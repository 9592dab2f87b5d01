"""Sampling a clip: equal to the release, border and motion held, errors told."""

from dataclasses import dataclass, replace
from itertools import combinations

import pytest
import torch

from tests.golden import golden_dit, golden_metadata, relative_error
from xdub_core.dub.stitch import stitch
from xdub_core.errors import SamplingError, SettingsError
from xdub_core.sampling.clip_sampling import (
    SEEDS,
    ClipInputs,
    SamplerSettings,
    attempt_seed,
    clip_noise,
    sample_clip,
)
from xdub_core.sampling.denoiser import DiTDenoiser
from xdub_core.sampling.guidance import Guidance, Velocities
from xdub_core.sampling.samplers import SAMPLERS
from xdub_core.sampling.schedule import SCHEDULES

TOLERANCE = 1e-4
SHAPE = (1, 4, 3, 6, 5)


@dataclass
class TowardsZero:
    """A denoiser whose clean picture is all zeros: velocity = latents / sigma."""

    calls: int = 0

    def for_clip(self, reference, audio, motion_latents):
        def denoise(latents, sigma, *_):
            self.calls += 1
            velocity = latents / sigma
            return Velocities(velocity, velocity, velocity)

        return denoise


def clip(seed=0):
    reference = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    return ClipInputs(reference, torch.zeros(1, SHAPE[2], 8, 2))


def golden_clips(goldens):
    metadata = golden_metadata(goldens / "long_sampling.safetensors")
    return golden_dit(goldens).tensors("long_sampling"), SamplerSettings(
        steps=int(metadata["steps"]),
        guidance=Guidance(float(metadata["ref_cfg"]), float(metadata["audio_cfg"])),
        shift=float(metadata["shift"]),
        seed=int(metadata["seed"]),
        border=int(metadata["border"]),
    )


@pytest.mark.parametrize("batched", [True, False])
def test_chained_clips_equal_the_release(goldens, batched):
    tensors, settings = golden_clips(goldens)
    denoiser = DiTDenoiser(golden_dit(goldens).model, tensors["context"], batched)
    results = []
    while (name := f"clip{len(results)}") + ".noise" in tensors:
        inputs = ClipInputs(
            tensors[f"{name}.ref_latents"],
            tensors[f"{name}.audio_feats"],
            tensors.get(f"{name}.motion_latents"),
        )
        results.append(sample_clip(denoiser, inputs, settings))
        assert torch.equal(clip_noise(inputs.reference.shape, settings.seed), tensors[f"{name}.noise"])
        assert relative_error(results[-1], tensors[f"{name}.latents"]) < TOLERANCE
    assert len(results) > 1
    assert relative_error(stitch(results), tensors["stitched_latents"]) < TOLERANCE


def test_inside_follows_the_model_and_the_rim_is_the_reference():
    inputs = clip()
    result = sample_clip(TowardsZero(), inputs, SamplerSettings(steps=5))
    inside = result[..., 1:-1, 1:-1]
    assert torch.allclose(inside, torch.zeros_like(inside), atol=1e-6)
    rim = result.clone()
    rim[..., 1:-1, 1:-1] = inputs.reference[..., 1:-1, 1:-1]
    assert torch.equal(rim, inputs.reference)


def test_every_sampler_and_schedule_makes_another_clip():
    class Bent(TowardsZero):
        def for_clip(self, *_):
            return lambda x, sigma, *_: Velocities(*[torch.tanh(2 * x) / sigma - sigma * x.roll(1)] * 3)

    chosen = [{"sampler": name} for name in SAMPLERS] + [{"schedule": name} for name in [*SCHEDULES][1:]]
    results = [sample_clip(Bent(), clip(), SamplerSettings(steps=6, **choice)) for choice in chosen]
    for first, second in combinations(results, 2):
        assert relative_error(first, second) > 1e-3


def test_same_seed_gives_the_same_clip_and_another_seed_another():
    def first_step(seed):
        seen = []
        settings = SamplerSettings(steps=2, seed=seed)
        sample_clip(TowardsZero(), clip(), settings, on_step=lambda *step: seen.append(step[2]))
        return seen[0]

    assert torch.equal(first_step(1), first_step(1))
    assert not torch.equal(first_step(1), first_step(2))


def test_each_step_is_reported_and_can_interrupt():
    denoiser = TowardsZero()

    def stop_at_two(step, steps, latents):
        assert (steps, latents.shape) == (5, SHAPE)
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_clip(denoiser, clip(), SamplerSettings(steps=5), stop_at_two)
    assert denoiser.calls == 2


def test_nan_is_reported_with_its_step():
    class Broken(TowardsZero):
        def for_clip(self, *args):
            good = super().for_clip(*args)
            return lambda x, sigma, *_: good(x, sigma) if self.calls < 2 else Velocities(x * torch.nan, x, x)

    with pytest.raises(SamplingError, match="step 3"):
        sample_clip(Broken(), clip(), SamplerSettings(steps=5))


def test_nan_in_the_reference_is_reported():
    inputs = clip()
    inputs.reference[0, 0, 0, 0, 0] = torch.nan
    with pytest.raises(SamplingError, match="reference latents"):
        sample_clip(TowardsZero(), inputs, SamplerSettings(steps=1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"shift": 0.0},
        {"shift": float("nan")},
        {"seed": 2**64},
        {"sampler": "euler_ancestral"},
        {"schedule": "normal"},
    ],
)
def test_settings_out_of_range_are_refused_when_they_are_made(wrong):
    with pytest.raises(SettingsError, match="use"):
        SamplerSettings(**wrong)


@pytest.mark.parametrize("seed", [-(2**63), 2**64 - 1])
def test_every_seed_that_is_allowed_makes_noise(seed):
    assert clip_noise((1, 2), SamplerSettings(seed=seed).seed).isfinite().all()


def test_every_attempt_at_a_clip_has_a_noise_of_its_own():
    """Of the same seed always the same; the first one's is the seed's, as it always was."""
    settings = SamplerSettings(steps=1, border=0)

    def sampled(attempt):
        def denoise(latents, sigma, *_):
            velocity = torch.zeros_like(latents)
            return Velocities(velocity, velocity, velocity)

        class Keeping:
            def for_clip(self, *_):
                return denoise

        return sample_clip(Keeping(), replace(clip(), attempt=attempt), settings)

    torch.testing.assert_close(sampled(0), clip_noise(SHAPE, settings.seed))
    torch.testing.assert_close(sampled(2), sampled(2))
    assert not any(torch.allclose(sampled(one), sampled(other)) for one, other in combinations(range(3), 2))


@pytest.mark.parametrize("seed", [-(2**63), 0, 42, 2**64 - 1])
def test_seeds_of_attempts_are_seeds(seed):
    seeds = [attempt_seed(seed, attempt) for attempt in range(20)]
    assert seeds[0] == seed and len(set(seeds)) == 20
    assert all(each in SEEDS for each in seeds)
