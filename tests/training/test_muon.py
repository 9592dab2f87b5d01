"""Muon: steps of equal size in all directions."""

import pytest
import torch
from torch import nn

from xdub_core.training.muon import Muon, orthogonalised


def test_orthogonalised_matrices_have_singular_values_near_one():
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 40), (40, 8)):
        matrix = torch.randn(shape, generator=generator)
        values = torch.linalg.svdvals(orthogonalised(matrix))
        assert values.min() > 0.5
        assert values.max() < 1.4


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (32, 96), (96, 32)])
def test_a_step_goes_as_far_as_adamw_s(rows, columns):
    """Liu et al. 2025, section 2.2: a root mean square of 0.2, whatever the matrix's shape."""
    weight = nn.Parameter(torch.zeros(rows, columns))
    weight.grad = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=0.01, step_size="adamw").step()
    assert weight.detach().square().mean().sqrt() == pytest.approx(
        0.002, rel=0.25
    )  # singular values of 0.7 to 1.2
    assert (weight.detach() * weight.grad).sum() < 0


def test_what_nothing_reaches_only_decays():
    weight = nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], lr=0.1, weight_decay=0.01).step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.999))
