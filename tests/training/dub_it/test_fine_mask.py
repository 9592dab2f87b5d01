"""Cells that know something of the lips, by encoders whose spread is known."""

import numpy as np
import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.fine_mask import (
    FineMaskSettings,
    coarse_mask,
    fine_mask,
    latent_difference,
    lip_mask,
    spread,
)


def latents(seed=0):
    return torch.randn(8, 4, 5, 6, generator=torch.Generator().manual_seed(seed))


def test_cells_that_differ_by_more_than_the_threshold_are_marked():
    plain = latents()
    masked = plain.clone()
    masked[3, 1, 2, 2] += 0.11
    masked[3, 1, 2, 3] -= 0.09
    mask = fine_mask(plain, masked)
    assert mask.nonzero().tolist() == [[1, 2, 2]]


def test_channels_are_reduced_by_their_largest_or_by_their_mean():
    plain = latents()
    masked = plain.clone()
    masked[0, 0, 0, 0] += 0.4  # of 8 channels: 0.05 on average
    masked[:, 0, 0, 1] += 0.2
    assert fine_mask(plain, masked).sum() == 2
    assert fine_mask(plain, masked, FineMaskSettings(channels="mean")).nonzero().tolist() == [[0, 0, 1]]
    assert latent_difference(plain, masked, "mean")[0, 0, 0] == pytest.approx(0.05)


def test_where_nothing_differs_it_is_told_instead_of_keeping_the_old_lips():
    plain = latents()
    with pytest.raises(SettingsError, match="whether the lips were found"):
        fine_mask(plain, plain + 0.05)


def test_latents_of_different_sizes_are_refused():
    with pytest.raises(SettingsError, match="cannot be compared"):
        fine_mask(latents(), latents()[:, :3])


@pytest.mark.parametrize("wrong", [{"threshold": -0.1}, {"threshold": float("nan")}, {"channels": "max"}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match="fine mask"):
        FineMaskSettings(**wrong)


def test_the_coarse_mask_is_the_cells_that_the_lips_lie_in():
    lips = torch.zeros(17, 64, 96, dtype=torch.bool)
    lips[9:12, 40:50, 30:34] = True  # in the third latent frame, across two cells
    assert coarse_mask(lips).nonzero().tolist() == [[2, 1, 0], [2, 1, 1]]


def test_the_spread_is_shares_of_changed_cells():
    plain = latents()
    other = plain.clone()
    other[0, 0, 0, :3] += 1
    mask = torch.zeros(4, 5, 6, dtype=torch.bool)
    mask[0, 0, :4] = True
    found = spread(mask, plain, other)
    assert (found.coverage, found.inside, found.outside) == (pytest.approx(4 / 120), 0.75, 0)
    assert found.held == 1
    assert (spread(~mask, plain, other).outside, spread(~mask, plain, other).held) == (0.75, 0)


def test_lips_are_masked_in_the_half_alone_and_held_where_they_were_not_found():
    boxes = np.tile([10.2, 4.0, 20.0, 8.5], (6, 1))
    boxes[2:4] = np.nan
    boxes[4] += 2
    mask = lip_mask(boxes, range(2, 6), 6, (32, 16))
    assert not mask[:2].any()
    assert mask[2].any(0).nonzero()[0].tolist() == list(range(12, 22))  # of the first frame that has some
    assert (mask[2] == mask[3]).all() and (mask[3] == mask[4]).all()
    assert mask[5].sum() == 10 * 5
    with pytest.raises(SettingsError, match="in no frame"):
        lip_mask(boxes, range(2, 4), 6, (32, 16))


def test_lips_beyond_the_picture_are_cut_off():
    boxes = np.array([[-5.0, -5.0, 3.0, 2.0], [30.0, 14.0, 99.0, 99.0]])
    assert lip_mask(boxes, range(2), 2, (32, 16)).sum((1, 2)).tolist() == [6, 4]
