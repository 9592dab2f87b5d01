"""Drift is seen where it is, and nothing else is taken for it."""

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.evaluation.behaviour import SPAN, check_drift, drift_between
from xdub_core.sampling.plan import FPS

FRAMES = round(2 * SPAN * FPS)


def drift_of(dubbed, source, mouth, ending=None):
    """As `drift_between`; the ending on its own is as close as the beginning."""
    half = FRAMES // 2
    closeness = (dubbed[:half].int() - source[:half].int()).abs().amax().to(torch.uint8)
    return drift_between(dubbed, source[half:] + closeness if ending is None else ending, source, mouth)


@pytest.fixture
def video():
    """Noise whose light changes, and a box of a mouth."""
    noise = torch.randint(40, 200, (FRAMES, 8, 8, 3), generator=torch.Generator().manual_seed(0))
    source = (noise + torch.linspace(0, 20, FRAMES)[:, None, None, None]).to(torch.uint8)
    mouth = torch.zeros(FRAMES, 8, 8, dtype=torch.bool)
    mouth[:, 4:, 2:6] = True
    return source, mouth


def test_a_dub_that_differs_as_much_in_the_end_as_at_first_has_none(video):
    source, mouth = video
    drift = drift_of(source + 3, source, mouth)
    assert drift.decibels == pytest.approx(0)
    assert drift.tint == pytest.approx(0)


def test_growing_faults_outside_the_mouth_cost_decibels(video):
    source, mouth = video
    dubbed = source.clone()
    dubbed[: FRAMES // 2] += 2
    dubbed[FRAMES // 2 :] += 4
    assert drift_of(dubbed, source, mouth).decibels == pytest.approx(6.02, abs=0.01)


def test_an_ending_that_is_harder_in_itself_is_no_drift(video):
    source, mouth = video
    dubbed = source.clone()
    dubbed[: FRAMES // 2] += 2
    dubbed[FRAMES // 2 :] += 4
    drift = drift_of(dubbed, source, mouth, ending=source[FRAMES // 2 :] + 4)
    assert drift.decibels == pytest.approx(0)
    assert drift.first - drift.last == pytest.approx(6.02, abs=0.01)


def test_a_mouth_that_changes_its_colour_is_seen(video):
    source, mouth = video
    dubbed = source.clone()
    dubbed[FRAMES // 2 :][mouth[FRAMES // 2 :]] += torch.tensor([5, 0, 0], dtype=torch.uint8)
    drift = drift_of(dubbed, source, mouth)
    assert drift.decibels == pytest.approx(0)
    assert drift.tint == pytest.approx(5)


def test_a_dub_without_two_ends_is_refused():
    with pytest.raises(SettingsError, match="needs 20 s"):
        check_drift(19)
