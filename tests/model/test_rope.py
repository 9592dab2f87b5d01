"""Rotary positions: the reference is moved in space, not in time."""

import torch

from xdub_core.model.rope import rotary_tables, rotate


def test_rotation_keeps_lengths():
    tables = rotary_tables((2, 2, 3), 24, "cpu")
    x = torch.randn(1, 24, 2, 24, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(rotate(x, tables).norm(dim=-1), x.norm(dim=-1), atol=1e-5)


def test_head_channels_are_split_between_time_height_and_width():
    cos = rotary_tables((1, 1, 1), 128, "cpu").cos
    assert cos.shape == (2, 1, 64)
    target = cos[1, 0]
    assert torch.equal(target, torch.ones(64))  # position (0, 0, 0)


def test_reference_shares_the_moment_and_is_shifted_in_space():
    f, h, w, temporal = 2, 2, 3, 4  # head_dim 24: 8 channels = 4 pairs for time
    tables = rotary_tables((f, h, w), 24, "cpu")
    reference, target = tables.cos.split(f * h * w)
    assert torch.equal(reference[..., :temporal], target[..., :temporal])
    wide = rotary_tables((f, 2 * h, 2 * w), 24, "cpu").cos[4 * f * h * w :]
    far_corner = wide.view(f, 2 * h, 2 * w, -1)[:, h:, w:].reshape(f * h * w, -1)
    assert torch.equal(reference.squeeze(1), far_corner)
