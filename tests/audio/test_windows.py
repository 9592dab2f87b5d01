"""Which rows of features each latent frame hears."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from xdub_core.audio.features import TensorFeatures
from xdub_core.audio.windows import audio_windows, window_starts
from xdub_core.vae.grid import LatentGrid


def test_rows_of_the_first_clip():
    assert window_starts(0, 4) == [-6, 2, 10, 18]


def test_rows_of_a_later_clip():
    s = 72
    assert window_starts(s, 3) == [2 * s - 6, 2 * (s + 1), 2 * (s + 5)]


@given(start=st.integers(0, 10_000), latents=st.integers(2, 20))
def test_windows_of_a_clip_follow_each_other_without_gap_or_overlap(start, latents):
    starts = window_starts(start, latents)
    assert {after - before for before, after in pairwise(starts)} == {8}


@given(start=st.integers(0, 10_000), latents=st.integers(2, 20), held=st.sampled_from([1, 2, 8]))
def test_windows_are_as_long_as_the_frames_of_a_latent(start, latents, held):
    grid = LatentGrid(1, held, 1)
    starts = window_starts(start, latents, grid)
    assert starts[1] == 2 * (start + 1)  # the second latent's first frame
    assert {after - before for before, after in pairwise(starts)} == {2 * held}
    rows = torch.arange(100.0)[:, None]
    assert audio_windows(TensorFeatures(rows), 20, 3, grid).flatten().tolist() == list(
        range(2 * (21 - held), 2 * (21 + 2 * held))
    )


def test_windows_hold_their_rows_and_clamp_at_both_ends():
    rows = torch.arange(12.0)[:, None].repeat(1, 2)
    windows = audio_windows(TensorFeatures(rows), 0, 3)
    assert windows.shape == (3, 8, 2)
    assert windows[0, :, 0].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert windows[1, :, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert windows[2, :, 0].tolist() == [10, 11, 11, 11, 11, 11, 11, 11]
