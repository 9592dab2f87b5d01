"""Damage is seeded, changes the bytes, and takes any bytes."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from mutations import WAYS, mutate

DATA = bytes(range(256)) * 20


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_damage_changes_most_files_and_repeats_with_its_seed(way):
    damaged = [way(DATA, random.Random(seed)) for seed in range(20)]
    assert sum(data != DATA for data in damaged) >= 15
    assert damaged == [way(DATA, random.Random(seed)) for seed in range(20)]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc"])
def test_every_way_of_damage_takes_the_smallest_files(way, data):
    for seed in range(30):
        way(data, random.Random(seed))


def test_a_seed_names_a_case():
    assert mutate(DATA, random.Random(3)) == mutate(DATA, random.Random(3))
    assert len({mutate(DATA, random.Random(seed)) for seed in range(50)}) > 40
