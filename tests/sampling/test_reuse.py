"""Predictions that need not be made: which, what stands in for them, and that nothing outlasts its clip."""

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

from xdub_core.errors import SettingsError
from xdub_core.job.keys import key_of
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.sampling.guidance import UNGUIDED, Guidance, Velocities
from xdub_core.sampling.prediction_memory import PredictionMemory
from xdub_core.sampling.reuse import (
    EXACT,
    LIMITS,
    SPEEDS,
    Due,
    Reuse,
    predictions_planned,
    reuse_named,
    terms_of,
)
from xdub_core.sampling.samplers import SAMPLERS
from xdub_core.sampling.schedule import SCHEDULES, flow_sigmas

SHAPE = (1, 4, 3, 6, 6)
LEVELS = flow_sigmas(30)[:-1].tolist()


class Smooth:
    """A denoiser whose three predictions bend a little with the noise level and depend on the latents, as a DiT's do.

    It counts what it is asked for.
    """

    def __init__(self) -> None:
        self.made: list[int] = []

    def for_clip(self, reference: Tensor, audio: Tensor, motion_latents: int) -> "Smooth":
        self.reference, self.audio = reference, audio.mean()
        return self

    def __call__(self, latents: Tensor, sigma: float, weights=(1.0, 1.0, 1.0)) -> Velocities:
        self.made.append(sum(weight != 0 for weight in weights))
        clean = torch.tanh(0.5 * latents.roll(1, -1) + 0.2) * (1 + 0.3 * sigma)
        none = (latents - clean) / max(sigma, 0.05)
        reference = none + 0.2 * torch.sin(2 * sigma + self.reference)
        both = reference + 0.1 * torch.cos(self.reference + self.audio - sigma)
        branches = (none, reference, both)
        return Velocities(*(v if w else torch.zeros_like(v) for v, w in zip(branches, weights, strict=True)))


def clip(seed=0, frames=3, motion=False):
    generator = torch.Generator().manual_seed(seed)
    shape = (*SHAPE[:2], frames, *SHAPE[3:])
    return ClipInputs(
        torch.randn(shape, generator=generator),
        torch.randn(1, frames, 8, 4, generator=generator),
        torch.randn(*SHAPE[:2], 2, *SHAPE[3:], generator=generator) if motion else None,
    )


def settings(speed, **others):
    return SamplerSettings(reuse=SPEEDS[speed], **others)


def psnr(x, y):
    return float(-10 * torch.log10((x - y).square().mean()))


def made(speed, steps=30, schedule="simple", guidance=None):
    sigmas = SCHEDULES[schedule](steps, 5.0)[:-1].tolist()
    return predictions_planned(guidance or Guidance(), SPEEDS[speed], sigmas)


def test_as_released_makes_90_predictions_of_which_half_or_a_quarter_are_enough():
    assert sum(made("exact")) == 90
    assert 40 <= sum(made("balanced")) <= 45
    assert 20 <= sum(made("fast")) <= 24


def test_what_is_planned_is_what_is_made():
    for speed in SPEEDS:
        denoiser, told = Smooth(), []
        sample_clip(
            denoiser, clip(), settings(speed), on_predicted=lambda sigma, n, t=told: t.append((sigma, n))
        )
        assert [n for _, n in told] == list(made(speed))
        assert denoiser.made == [n for n in made(speed) if n]
        assert [sigma for sigma, _ in told] == pytest.approx(LEVELS)


def test_what_stands_in_is_close():
    exact = sample_clip(Smooth(), clip(), settings("exact"))
    balanced, fast = (psnr(sample_clip(Smooth(), clip(), settings(s)), exact) for s in ("balanced", "fast"))
    assert balanced > 40
    assert balanced > fast > 30


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("motion", [False, True])
def test_every_sampler_stays_close_at_less_than_its_cost(sampler, motion):
    exact, balanced = Smooth(), Smooth()
    given = clip(motion=motion)
    expected = sample_clip(exact, given, settings("exact", sampler=sampler))
    result = sample_clip(balanced, given, settings("balanced", sampler=sampler))
    assert sum(balanced.made) <= 0.55 * sum(exact.made)
    assert psnr(result, expected) > 35


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_saves_and_stays_close(schedule):
    exact, balanced = Smooth(), Smooth()
    expected = sample_clip(exact, clip(), settings("exact", schedule=schedule))
    result = sample_clip(balanced, clip(), settings("balanced", schedule=schedule))
    assert sum(balanced.made) < 0.7 * sum(exact.made)
    assert psnr(result, expected) > 38


def test_of_few_steps_hardly_any_is_kept_and_many_cost_little_more():
    assert sum(made("balanced", 4)) == sum(made("balanced", 6)) / 1.5 == 12
    assert sum(made("balanced", 8)) >= 20
    assert sum(made("fast", 4)) >= 9
    assert sum(made("balanced", 120)) <= 1.5 * sum(made("balanced", 30))


def test_the_first_step_and_the_last_are_predicted():
    for speed, steps in itertools.product(SPEEDS, (4, 8, 13, 30)):
        planned = made(speed, steps)
        assert planned[0] == 3
        assert planned[-1] > 0


def test_where_the_audio_counts_alone_its_prediction_is_all_that_is_made():
    assert set(made("fast", guidance=UNGUIDED)) == {0, 1}


@pytest.mark.parametrize(
    "guidance",
    [
        Guidance(2.5, 2.5, dynamic=False),
        Guidance(1.0, 2.5, dynamic=False, end=0.8),
        Guidance(2.0, 0.0, dynamic=False),
        Guidance(0.0, 3.0, dynamic=False),
        Guidance(0.0, 0.0),
        Guidance(2.5, 10.0, start=0.9, end=0.4),
    ],
)
def test_any_guidance_is_only_made_of_what_counts_and_stays_close(guidance):
    exact = sample_clip(Smooth(), clip(), settings("exact", guidance=guidance))
    denoiser = Smooth()
    result = sample_clip(denoiser, clip(), settings("balanced", guidance=guidance))
    assert psnr(result, exact) > 35
    counting = [sum(weight != 0 for weight in guidance.weights(sigma)) for sigma in LEVELS]
    assert sum(denoiser.made) < sum(counting)


def test_exact_is_the_guided_velocity_and_keeps_nothing():
    memory, guidance, denoiser = PredictionMemory(Guidance(), EXACT), Guidance(), Smooth()
    denoiser.for_clip(clip().reference, clip().audio, 0)
    x = clip().reference
    for sigma in LEVELS[:5]:
        velocities = memory.velocities(x, sigma, lambda w, s=sigma: denoiser(x, s, w))
        assert torch.equal(guidance.combine(velocities, sigma), guidance.combine(denoiser(x, sigma), sigma))
    assert not memory._found


def test_nothing_outlasts_a_clip():
    given, other = clip(1), clip(2, frames=5, motion=True)
    alone = sample_clip(Smooth(), given, settings("fast"))
    denoiser = Smooth()
    sample_clip(denoiser, other, settings("fast"))
    assert torch.equal(sample_clip(denoiser, given, settings("fast")), alone)


def test_a_retry_begins_anew():
    given = clip(1)
    again = dataclasses.replace(given, attempt=1)
    alone = sample_clip(Smooth(), again, settings("fast"))
    denoiser = Smooth()
    sample_clip(denoiser, given, settings("fast"))
    assert torch.equal(sample_clip(denoiser, again, settings("fast")), alone)


def walk(memory, xs, sigmas):
    """How many predictions a memory makes at latents and noise levels of which the predictions are constants."""
    constant = Velocities(*(torch.full(SHAPE, value) for value in (0.1, 0.2, 0.4)))
    made = []
    for x, sigma in zip(xs, sigmas, strict=True):
        made.append(0)

        def predict(weights):
            made[-1] = sum(weight != 0 for weight in weights)
            return constant

        memory.velocities(x, sigma, predict)
    return made


def along(sigmas, noise=0.0):
    guidance = Guidance()
    x, xs = torch.zeros(SHAPE), []
    constant = Velocities(*(torch.full(SHAPE, value) for value in (0.1, 0.2, 0.4)))
    for sigma, following in itertools.pairwise([*sigmas, 0.0]):
        xs.append(x)
        x = x + (following - sigma) * guidance.combine(constant, sigma)
        x = x + noise * torch.randn(SHAPE, generator=torch.Generator().manual_seed(len(xs)))
    return xs


def test_latents_that_a_sampler_noises_anew_are_predicted_anew():
    levels = LEVELS[:12]
    assert sum(walk(PredictionMemory(Guidance(), SPEEDS["fast"]), along(levels), levels)) < 12
    assert walk(PredictionMemory(Guidance(), SPEEDS["fast"]), along(levels, noise=1.0), levels) == [3] * 12


def test_a_rising_noise_level_and_other_sizes_are_another_run():
    memory = PredictionMemory(Guidance(), SPEEDS["fast"])
    x = torch.zeros(SHAPE)
    assert walk(memory, [x, x], [0.9, 0.95]) == [3, 3]
    due = Due(SPEEDS["fast"])
    assert len(due.branches(0.9, (1.0, 1.0, -1.0))) == len(due.branches(0.95, (1.0, 1.0, -1.0))) == 3


def test_a_term_that_did_not_count_for_a_while_is_found_again():
    due = Due(Reuse(whole=0.5, audio=0.5, reference=0.5))
    assert due.branches(0.9, (-1.5, 0.5, 2.0)) == (2, 1, 0)
    assert due.branches(0.89, (0.0, -1.0, 2.0)) == ()
    assert due.branches(0.88, (-1.5, 0.5, 2.0)) == (2, 1, 0)


def test_terms_build_on_the_last_branch_that_counts():
    assert terms_of((-1.5, -5.0, 7.5)) == ((2,), (2, 1), (1, 0))
    assert terms_of((-1.5, 0.0, 2.5)) == ((2,), (2, 0))
    assert terms_of((-1.0, 2.0, 0.0)) == ((1,), (1, 0))
    assert terms_of((0.0, 0.0, 1.0)) == ((2,),)


def test_limits_of_one_s_own_are_written_out():
    assert reuse_named(LIMITS) == SPEEDS["balanced"]
    assert reuse_named("0, 0, 0").exact
    assert reuse_named("0.1,0,0.5") == Reuse(whole=0.1, reference=0.5)


def test_each_limit_alone_saves_predictions_of_its_own():
    def planned(**limits):
        return predictions_planned(Guidance(), Reuse(**limits), LEVELS)

    assert set(planned(whole=0.1)) == {0, 3}
    assert set(planned(reference=0.1)) == {2, 3}
    late = planned(
        audio=0.1
    )  # what the reference changes is found from the same predictions, so in every step
    assert set(late) == {3}
    assert set(planned(audio=0.1, reference=1.0)) == {1, 2, 3}


def test_a_name_that_is_not_there_names_those_that_are():
    with pytest.raises(SettingsError, match="a speed named 'quick': use exact, balanced, fast, or limits"):
        reuse_named("quick")
    for wrong in ("", "0.1", "0.1,0.2", "0.1,0.2,x", "0.1,0.2,0.3,0.4"):
        with pytest.raises(SettingsError, match=r"limits of your own, as 0\.035"):
            reuse_named(wrong)
    for outside in ("1.5,0,0", "0,-0.1,0", "0,0,nan", "inf,0,0"):
        with pytest.raises(SettingsError, match="use 0 to 1"):
            reuse_named(outside)
    with pytest.raises(SettingsError, match=r"a limit of 1.5 .*whole.*: use 0 to 1"):
        Reuse(whole=1.5)


def test_clips_of_another_speed_have_another_key_and_exact_ones_theirs_from_before():
    keys = [key_of(settings(speed)) for speed in SPEEDS]
    assert len(set(keys)) == len(SPEEDS)
    before = {f.name: getattr(settings("exact"), f.name) for f in dataclasses.fields(SamplerSettings)}
    del before["reuse"]
    made_before = dataclasses.make_dataclass("SamplerSettings", before)
    assert keys[0] == key_of(made_before(**before))


def test_a_kept_prediction_goes_on_as_it_changed_and_a_kept_difference_more_slowly():
    guidance = Guidance(2.0, 3.0, dynamic=False)
    memory, x = PredictionMemory(guidance, Reuse(0.05, 0.05, 0.05)), torch.zeros(1)

    def predicted(sigma):
        return Velocities(*(torch.tensor([value]) for value in (1 + 3 * sigma, 2 + 5 * sigma, 3 + 9 * sigma)))

    for sigma, following in itertools.pairwise((0.9, 0.8, 0.76, 0.72)):  # at 0.76 all is kept
        found = memory.velocities(x, sigma, lambda weights, s=sigma: predicted(s))
        x = x + (following - sigma) * guidance.combine(found, sigma)
    made, true = torch.stack(found), torch.stack(predicted(0.76))
    assert made[2] == pytest.approx(true[2])
    last = torch.stack(predicted(0.8))
    for upper, lower in ((2, 1), (1, 0)):
        change = (made[upper] - made[lower]) - (last[upper] - last[lower])
        assert 0 < change / ((true[upper] - true[lower]) - (last[upper] - last[lower])) < 1
