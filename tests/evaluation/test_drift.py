"""Drift is seen where it is, and nothing else is taken for it."""

from types import SimpleNamespace

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.evaluation import behaviour
from xdub_core.evaluation.behaviour import SPAN, check_drift, drift_between, measure_drift
from xdub_core.media.timeline import MODEL_FPS, ping_pong

FRAMES = round(2 * SPAN * MODEL_FPS)


def drift_of(dubbed, source, mouth):
    return drift_between(dubbed, source, mouth, FRAMES // 2)


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


def test_a_mouth_that_changes_its_colour_is_seen(video):
    source, mouth = video
    dubbed = source.clone()
    dubbed[FRAMES // 2 :][mouth[FRAMES // 2 :]] += torch.tensor([5, 0, 0], dtype=torch.uint8)
    drift = drift_of(dubbed, source, mouth)
    assert drift.decibels == pytest.approx(0)
    assert drift.tint == pytest.approx(5)


def test_both_ends_of_a_long_dub_show_and_say_the_same(monkeypatch):
    frames, dubs = 31, []
    pictures = torch.arange(frames, dtype=torch.uint8)[:, None, None, None].expand(frames, 8, 8, 3)
    case = SimpleNamespace(
        source=pictures,
        features=torch.arange(2 * frames, dtype=torch.float32)[:, None],
        mouth=torch.zeros(frames, 8, 8, dtype=torch.bool).index_fill(1, torch.tensor([0]), True),
    )

    def dub(source, features, model, settings, length):
        dubs.append(features.read(0, 2 * length))
        dubbed = source[ping_pong(len(source), length)]
        dubbed[length // 2 :] += 2
        dubbed[: length // 2] += 1
        return dubbed

    monkeypatch.setattr(behaviour, "dub_frames", dub)
    drift = measure_drift(case, None, None, seconds=21)
    assert len(dubs[0]) == 2 * 540  # nine turns of 60 frames are 21.6 s
    span = 2 * 240
    torch.testing.assert_close(dubs[0][:span], dubs[0][-span:])
    assert drift.decibels == pytest.approx(6.02, abs=0.01)


def test_a_dub_without_two_ends_is_refused():
    with pytest.raises(SettingsError, match="needs 20 s"):
        check_drift(19)
