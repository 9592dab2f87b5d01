"""Training timesteps are distributed as the paper's Eq. 2 says."""

import math

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.training.timesteps import UNIFORM, TimestepDistribution, shift_timestep


def density(alpha, base, t):
    """The probability density at `t` of a distribution, mean 0 and deviation 1, by the change of variables of Eq. 2."""
    unshifted = t / (alpha - (alpha - 1) * t)
    slope = alpha / (alpha - (alpha - 1) * t) ** 2
    if base == "uniform":
        return slope
    normal = torch.exp(-(torch.logit(unshifted) ** 2) / 2) / math.sqrt(2 * math.pi)
    return normal / (unshifted * (1 - unshifted)) * slope


def test_shift_is_equation_2():
    t = torch.tensor([0.0, 0.5, 1.0])
    assert torch.allclose(shift_timestep(t, 5.0), torch.tensor([0.0, 2.5 / 3.0, 1.0]))


@pytest.mark.parametrize(
    ("alpha", "peak"),
    [(5.0, 0.921), (4.0, 0.899), (3.0, 0.861), (2.0, 0.777), (1.5, 0.684), (0.8, 0.392), (0.4, 0.172),
     (0.2, 0.079)],
)  # fmt: skip
def test_peaks_are_those_of_table_7(alpha, peak):
    t = torch.linspace(0.001, 0.999, 9981, dtype=torch.float64)
    assert t[density(alpha, "logit_normal", t).argmax()].item() == pytest.approx(peak, abs=0.006)


@pytest.mark.parametrize("alpha", [0.2, 1.5, 5.0])
@pytest.mark.parametrize("base", ["logit_normal", "uniform"])
def test_samples_follow_the_density(alpha, base):
    samples = (
        TimestepDistribution(alpha, base)
        .sample(20000, torch.Generator().manual_seed(0))
        .double()
        .sort()
        .values
    )
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)[1:-1]
    cumulative = torch.cumsum(density(alpha, base, t), 0) / 4000
    empirical = torch.searchsorted(samples, t) / len(samples)
    assert (cumulative - empirical).abs().max() < 0.02


def test_uniform_is_unshifted():
    samples = UNIFORM.sample(10000, torch.Generator().manual_seed(0))
    assert samples.mean().item() == pytest.approx(0.5, abs=0.01)
    assert samples.std().item() == pytest.approx(12**-0.5, abs=0.01)


def test_a_seed_gives_the_same_timesteps():
    first, second = (TimestepDistribution().sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"deviation": -1.0}, {"base": "cosine"}])
def test_impossible_distributions_are_refused(wrong):
    with pytest.raises(SettingsError):
        TimestepDistribution(**wrong)
