"""Left-out conditions are the zeros of the sampler's branches, at the asked rates."""

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.training.conditions import ConditionDropout, Conditions, draw_kept, drop_conditions


def test_rates_are_those_asked_for_and_the_reference_never_goes_alone():
    kept = draw_kept(20000, ConditionDropout(audio=0.2, both=0.1), torch.Generator().manual_seed(0))
    assert kept.reference.float().mean().item() == pytest.approx(0.9, abs=0.01)
    assert kept.audio.float().mean().item() == pytest.approx(0.7, abs=0.01)
    assert not (kept.audio & ~kept.reference).any()


def test_left_out_conditions_are_zeros_and_the_others_untouched():
    conditions = Conditions(
        context=torch.ones(1, 1, 2),
        audio=torch.ones(3, 2, 8, 5),
        reference=torch.ones(3, 4, 2, 2, 2),
        background=torch.ones(3, 4, 2, 2, 2),
    )
    kept = draw_kept(0, ConditionDropout(), torch.Generator())
    kept = type(kept)(audio=torch.tensor([True, False, False]), reference=torch.tensor([True, True, False]))
    dropped = drop_conditions(conditions, kept)
    assert dropped.audio.amax((1, 2, 3)).tolist() == [1, 0, 0]
    assert dropped.reference.amax((1, 2, 3, 4)).tolist() == [1, 1, 0]
    assert torch.equal(dropped.background, conditions.background)


def test_probabilities_beyond_one_are_refused():
    with pytest.raises(SettingsError, match="at most 1"):
        ConditionDropout(0.6, 0.6)
