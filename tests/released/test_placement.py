"""How the released model is laid out on small cards: computed from its sizes, which are those of a real DiT."""

from dataclasses import replace

import pytest
import torch

from tests.training.conftest import TINY
from xdub_core.model.config import RELEASED
from xdub_core.model.dit import XDubDiT
from xdub_core.model.float8 import store_in_float8
from xdub_core.released.placement import IN_FLIGHT, DeviceSizes, Placement

SIZES = DeviceSizes(RELEASED)
GB = 10**9


def weights(module):
    return sum(x.numel() * x.element_size() for x in module.state_dict().values())


@pytest.mark.parametrize("float8", [False, True])
def test_weights_are_counted_as_they_are(float8):
    config = replace(TINY, layers=3)
    dit = XDubDiT(config).bfloat16()
    if float8:
        store_in_float8(dit.blocks)
    sizes = DeviceSizes(config, float8=float8)
    assert sizes.block == weights(dit.blocks[0])
    assert sizes.model(Placement()) == weights(dit)
    assert sizes.model(Placement(resident=0)) == weights(dit) - weights(
        dit.blocks[0]
    )  # two of three on their way


def test_the_released_model_is_half_as_large_in_eight_bits():
    assert SIZES.model(Placement()) == pytest.approx(12.6 * GB, rel=0.01)
    assert replace(SIZES, float8=True).model(Placement()) == pytest.approx(6.6 * GB, rel=0.02)


@pytest.mark.parametrize(
    ("budget", "float8", "expected"),
    [
        (24, False, Placement()),
        (12, False, Placement(batched=False, resident=15)),
        (12, True, Placement()),
        (8, False, Placement(batched=False, resident=5)),
        (6, False, Placement(batched=False, resident=0)),
        (6, True, Placement(batched=False, resident=3)),
        (4, True, None),
    ],
)
def test_each_budget_has_its_placement(budget, float8, expected):
    sizes = replace(SIZES, float8=float8)
    found = sizes.placed(budget * GB)
    assert found == expected
    if found is not None:
        assert sizes.needed(found) <= budget * GB


def test_more_memory_never_places_less_on_the_device():
    kept = []
    for budget in range(6 * GB, 18 * GB, GB // 4):
        found = SIZES.placed(budget)
        kept.append(RELEASED.layers if found.resident is None else found.resident)
    assert kept == sorted(kept) and kept[-1] == RELEASED.layers
    assert not any(RELEASED.layers - IN_FLIGHT <= resident < RELEASED.layers for resident in kept)


def test_branches_one_by_one_are_never_made_a_batch():
    assert all(not each.batched for each in SIZES.placements(batched=False))
    assert SIZES.placed(100 * GB, batched=False) == Placement(batched=False)


def test_smaller_crops_need_less():
    assert replace(SIZES, crop=256).placed(4 * GB) is not None


def test_a_meta_model_is_enough():
    assert torch.device("meta") == next(XDubDiT(RELEASED, device="meta").parameters()).device
