"""The grid of latents: frames, latents and pixels counted in one place."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xdub_core.errors import SamplingError
from xdub_core.mini.vae_net import VAEConfig
from xdub_core.model.config import AUDIO_TOKENS_PER_LATENT, DiTConfig
from xdub_core.vae.cosine import CosineVAE
from xdub_core.vae.grid import WAN_GRID, LatentGrid

GRIDS = st.builds(LatentGrid, st.integers(1, 48), st.sampled_from([1, 2, 4, 8]), st.sampled_from([8, 16]))


@given(grid=GRIDS, latents=st.integers(1, 500))
def test_frames_and_latents_are_each_other_s_inverse(grid, latents):
    frames = grid.frames(latents)
    assert grid.latents(frames) == latents
    assert grid.frames(latents + 1) - frames == grid.temporal
    assert grid.frames(0) == 0


@given(grid=GRIDS, frames=st.integers(1, 1000))
def test_filled_is_the_least_number_of_whole_latents(grid, frames):
    filled = grid.filled(frames)
    assert frames <= filled < frames + grid.temporal
    assert grid.frames(grid.latents(filled)) == filled


@given(grid=GRIDS, latents=st.integers(1, 50))
def test_spans_follow_one_another_and_the_first_ends_with_the_first_frame(grid, latents):
    spans = [frame for latent in range(latents) for frame in grid.span(latent)]
    assert spans == list(range(1 - grid.temporal, grid.frames(latents)))


def test_numbers_that_are_no_whole_latents_are_told():
    with pytest.raises(SamplingError, match=r"takes 4k \+ 1 frames \(1, 5, 9, \.\.\.\), but got 4"):
        WAN_GRID.latents(4)


def test_sizes_in_pixels():
    assert WAN_GRID.pixels(torch.empty(1, 48, 2, 3, 5)) == (48, 80)
    assert WAN_GRID.crop_step(DiTConfig().patch) == 32
    assert VAEConfig().grid.crop_step((1, 2, 2)) == 16
    assert LatentGrid(1, 1, 8).crop_step((1, 2, 3)) == 48


def test_the_released_model_s_audio_tokens_are_those_of_a_latent_s_frames():
    assert 2 * WAN_GRID.temporal == AUDIO_TOKENS_PER_LATENT


def test_what_a_vae_makes_is_on_its_grid():
    vae = CosineVAE(12, spatial=8, temporal=2)
    latents = vae.encode(torch.rand(vae.grid.frames(3), 16, 24, 3))
    vae.grid.check_latents(latents)
    frames = vae.decode(latents)
    vae.grid.check_frames(frames)
    assert (vae.grid.latents(len(frames)), vae.grid.pixels(latents)) == (3, tuple(frames.shape[1:3]))
