"""Masks: feathered composites, the latents' resolution."""

import pytest
import torch

from xdub_core.errors import SamplingError
from xdub_core.training.masks import MASKED_VALUE, composite, feathered, latent_mask, mask_out
from xdub_core.vae.grid import LatentGrid

GRID = LatentGrid(1, temporal=4, spatial=8)


def test_masked_pixels_say_nothing_of_the_frame():
    mask = torch.zeros(1, 4, 4)
    mask[:, 2:] = 1
    first, second = torch.rand(1, 4, 4, 3), torch.rand(1, 4, 4, 3)
    assert torch.equal(mask_out(first, mask)[:, 2:], mask_out(second, mask)[:, 2:])
    assert (mask_out(first, mask)[:, 2:] == MASKED_VALUE).all()
    assert torch.equal(mask_out(first, mask)[:, :2], first[:, :2])


def test_latent_mask_averages_the_pixels_that_a_latent_shows():
    mask = torch.zeros(5, 16, 16)
    mask[0, :8, :8] = 1  # the first frame: a latent frame of its own
    mask[1:3, 8:, 8:] = 1  # two of the next four frames
    assert latent_mask(mask, GRID).tolist() == [[[[1, 0], [0, 0]], [[0, 0], [0, 0.5]]]]


def test_latent_mask_of_a_single_frame_is_a_single_latent():
    assert latent_mask(torch.ones(1, 16, 16), GRID).shape == (1, 1, 2, 2)


def test_latent_mask_refuses_lengths_that_a_causal_vae_has_not():
    with pytest.raises(SamplingError, match="4k \\+ 1"):
        latent_mask(torch.zeros(4, 16, 16), GRID)


def test_feather_keeps_flat_masks_flat_and_softens_edges():
    assert torch.allclose(feathered(torch.ones(2, 9, 9), 2.0), torch.ones(2, 9, 9))
    mask = torch.zeros(1, 21, 21)
    mask[:, :, 10:] = 1
    row = feathered(mask, 2.0)[0, 10]
    assert (row.diff() >= -1e-6).all()
    assert row[0] < 0.001 and row[-1] > 0.999 and 0.5 < row[10] < 0.7


def test_composite_is_generated_inside_and_original_outside():
    mask = torch.zeros(1, 32, 32)
    mask[:, 10:22, 10:22] = 1
    generated, original = torch.full((1, 32, 32, 3), 0.8), torch.full((1, 32, 32, 3), 0.2)
    result = composite(generated, original, mask, sigma=1.0)
    assert torch.allclose(result[:, 15:17, 15:17], torch.tensor(0.8))
    assert torch.equal(result[:, :6], original[:, :6])
    hard = composite(generated, original, mask, sigma=0)
    assert torch.equal(hard, torch.where(mask[..., None] > 0, generated, original))
