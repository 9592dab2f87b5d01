"""The noise levels that a LoRA for dubbing is trained at."""

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.timesteps import ShiftedLogitNormal


def drawn(tokens, count=2000, **options):
    distribution, random = ShiftedLogitNormal(**options), torch.Generator().manual_seed(0)
    return torch.cat([distribution.sample(tokens, random) for _ in range(count)])


def test_the_shift_is_a_line_through_both_numbers_of_tokens():
    shift = ShiftedLogitNormal().shift
    assert shift(1024) == pytest.approx(0.95)
    assert shift(4096) == pytest.approx(2.05)
    assert shift(8160) == pytest.approx(0.95 + 1.1 * (8160 - 1024) / 3072)


@pytest.mark.parametrize("tokens", [24, 1024, 8160])
def test_levels_fill_the_range_around_the_stretched_median(tokens):
    levels = drawn(tokens, uniform=0.0)
    mean = torch.tensor(ShiftedLogitNormal().shift(tokens))
    low, high = torch.sigmoid(mean - 2.5758), torch.sigmoid(mean + 3.0902)
    assert levels.median().item() == pytest.approx(
        ((torch.sigmoid(mean) - low) / (high - low)).item(), abs=0.02
    )
    assert levels.min() >= 1e-3
    assert levels.min() < 0.05
    assert levels.max() <= 1
    assert levels.max() > 0.9


def test_a_share_is_drawn_evenly():
    assert drawn(8160, uniform=1.0).mean().item() == pytest.approx(0.5, abs=0.02)
    few = [(drawn(8160, uniform=share) < 0.2).float().mean().item() for share in (0.0, 0.5)]
    assert few[1] - few[0] == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    "wrong", [{"deviation": 0.0}, {"uniform": 1.5}, {"least": 0.0}, {"shifts": (float("nan"), 1.0)}]
)
def test_odd_distributions_are_told(wrong):
    with pytest.raises(SettingsError) as told:
        ShiftedLogitNormal(**wrong)
    assert "\n" not in str(told.value)
