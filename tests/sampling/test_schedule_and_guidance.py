"""Schedules equal the release; guidance is the paper's sum."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from xdub_core.errors import SettingsError
from xdub_core.sampling.guidance import Guidance, GuidanceCurve, Velocities
from xdub_core.sampling.schedule import SCHEDULES, flow_sigmas

TOLERANCE = 1e-6


def test_sigmas_equal_the_release(goldens):
    schedules = load_file(goldens / "schedules.safetensors")
    checked = 0
    for name, expected in schedules.items():
        if name.startswith("sigmas_"):
            sigmas = flow_sigmas(int(name.removeprefix("sigmas_")))
            assert sigmas[-1] == 0
            torch.testing.assert_close(sigmas[:-1], expected, rtol=0, atol=TOLERANCE)
            checked += 1
    assert checked


def test_guidance_scales_equal_the_release(goldens):
    schedules = load_file(goldens / "schedules.safetensors")
    for name, expected in schedules.items():
        if name.startswith(("ref_scale_", "audio_scale_")):
            scale = float(name.rpartition("_")[2])
            guidance = Guidance(reference_scale=scale, audio_scale=scale)
            function = guidance.reference if name.startswith("ref") else guidance.audio
            result = torch.tensor([function(t) for t in schedules["t_grid"].tolist()], dtype=torch.float64)
            torch.testing.assert_close(result, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@given(shift=st.floats(0.1, 20), steps=st.integers(1, 100))
def test_sigmas_fall_from_one_to_zero(schedule, shift, steps):
    sigmas = schedule(steps, shift)
    assert sigmas.shape == (steps + 1,)
    assert sigmas[0] == 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


def test_scales_of_one_give_the_full_prediction_alone():
    none, reference, both = torch.randn(3, 1, 2, generator=torch.Generator().manual_seed(0)).split(1)
    guidance = Guidance(1.0, 1.0, dynamic=False)
    torch.testing.assert_close(guidance.combine(Velocities(none, reference, both), 0.5), both)


def test_audio_guidance_falls_with_the_noise_and_reference_guidance_never_rises():
    guidance = Guidance()
    sigmas = [i / 100 for i in range(101)]
    assert all(guidance.audio(a) < guidance.audio(b) for a, b in pairwise(sigmas))
    assert all(guidance.reference(a) <= guidance.reference(b) for a, b in pairwise(sigmas))


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(SettingsError, match="audio scale"):
        Guidance(audio_scale=scale)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize(("steps", "shift"), [(0, 5.0), (10, 0.0)])
def test_impossible_schedules_are_refused(schedule, steps, shift):
    with pytest.raises(SettingsError):
        schedule(steps, shift)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_higher_shift_never_lowers_a_level(schedule):
    low, high = schedule(8, 2.0), schedule(8, 6.0)
    assert (high >= low - TOLERANCE).all()
    assert (high > low).any()


@given(sigma=st.floats(0, 1), reference=st.floats(0, 20), audio=st.floats(0, 20))
def test_weights_sum_to_one_and_make_the_combination(sigma, reference, audio):
    predictions = torch.randn(3, 1, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    guidance = Guidance(reference, audio)
    weights = guidance.weights(sigma)
    assert sum(weights) == pytest.approx(1)
    weighted = sum(weight * x for weight, x in zip(weights, predictions, strict=True))
    torch.testing.assert_close(guidance.combine(Velocities(*predictions), sigma), weighted)


def test_outside_its_noise_levels_guidance_leaves_the_full_prediction_alone():
    guidance = Guidance(start=0.9, end=0.2)
    assert guidance.weights(0.95) == guidance.weights(0.1) == (0, 0, 1)
    assert guidance.weights(0.9) == Guidance().weights(0.9)
    assert guidance.weights(0.2) == Guidance().weights(0.2)


def test_curves_have_parameters():
    curve = GuidanceCurve(2.0, (1.0, 0.5, 0.25), ((0.8, 0.6), (0.4, 0.2)))
    guidance = Guidance(4.0, 8.0, curve=curve)
    assert [guidance.reference(t) for t in (1.0, 0.8, 0.7, 0.5, 0.3, 0.1)] == pytest.approx(
        [4, 4, 3, 2, 1.5, 1]
    )
    assert guidance.audio(0.5) == 2.0


def test_a_blend_may_be_a_step():
    curve = GuidanceCurve(reference_blends=((0.5, 0.5), (0.5, 0.5)))
    assert [curve.reference_fraction(t) for t in (0.51, 0.5, 0.49)] == [1.0, 1.0, 0.3]


@pytest.mark.parametrize(
    "settings",
    [
        {"reference_blends": ((0.7, 0.8), (0.4, 0.3))},
        {"audio_power": -1.0},
        {"reference_levels": (1.0, -0.1, 0.3)},
    ],
)
def test_impossible_curves_are_refused(settings):
    with pytest.raises(SettingsError):
        GuidanceCurve(**settings)


def test_guidance_that_ends_before_it_starts_is_refused():
    with pytest.raises(SettingsError, match="start must be the higher"):
        Guidance(start=0.2, end=0.8)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_first_step_is_guided_whatever_the_shift(schedule):
    """The formulas round to a little above or below 1 for one shift in fifteen."""
    random = torch.Generator().manual_seed(0)
    for shift in (20 * torch.rand(300, generator=random)).tolist():
        first = float(schedule(4, shift)[0])
        assert first == 1
        assert Guidance(2.0, 3.0, dynamic=False).weights(first) == (-1, -1, 3)


@pytest.mark.parametrize("edge", [0.8, 1.0])
def test_a_level_that_a_host_rounds_still_is_within_the_guided_range(edge):
    guidance = Guidance(2.0, 3.0, dynamic=False, start=1.0, end=0.8)
    for rounded in (np.nextafter(np.float32(edge), np.float32(way)) for way in (0, 2)):
        assert guidance.audio(float(rounded)) == 3.0
    assert guidance.audio(0.79) == 1.0
