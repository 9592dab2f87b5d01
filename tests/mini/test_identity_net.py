"""The identity network: tells unseen people apart, whatever they say, on ArcFace's scale."""

import sys
from pathlib import Path

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.mini.identity_net import (
    WITHIN_PERSON,
    IdentityConfig,
    IdentityNet,
    feature_distance,
    identity_similarity,
)
from xdub_core.training.mini.identity_training import (
    IdentityExample,
    IdentityTraining,
    calibrate,
    train_identity,
)
from xdub_core.training.mini.small_network import NetworkSettings

sys.path.insert(0, str(Path(__file__).parent))
from talking_dots import draw, openness_track

TINY = IdentityConfig(side=24, widths=(8, 12, 16), width=16)


def recording(person, take, frames=4):
    x = 0.5 + 0.03 * ((take % 3) - 1)
    pictures, _, _ = draw(openness_track(frames, 10 * person + take), side=32, seed=person, centre=(x, 0.5))
    return IdentityExample(pictures, person)


@pytest.fixture(scope="module")
def trained():
    settings = NetworkSettings(steps=120, batch_size=24, learning_rate=3e-3, warmup=10)
    seen = [recording(person, take) for person in range(24) for take in range(3)]
    return train_identity(seen, IdentityTraining(TINY, settings, light=0.05, shift=1))


def test_unseen_people_differ_and_stay_themselves(trained):
    same = [
        identity_similarity(trained, recording(p, 0).frames, recording(p, 1).frames) for p in range(60, 68)
    ]
    other = [
        identity_similarity(trained, recording(p, 0).frames, recording(p + 1, 0).frames)
        for p in range(60, 68)
    ]
    assert min(same) > 0.6
    assert sum(other) / 8 < 0.4
    assert sum(same) / 8 > sum(other) / 8 + 0.4


def test_another_mouth_is_the_same_person(trained):
    opened, _, _ = draw(torch.ones(3), side=32, seed=70)
    closed, _, _ = draw(torch.zeros(3), side=32, seed=70)
    assert identity_similarity(trained, opened, closed) > 0.6


def test_equal_pictures_are_one(trained):
    frames = recording(3, 0).frames
    assert identity_similarity(trained, frames, frames) == pytest.approx(1, abs=1e-3)
    assert feature_distance(trained, frames, frames) == pytest.approx(0, abs=1e-6)


def test_the_scale_is_arcfaces():
    """Strangers 0, one person's recordings 0.812, in between and beyond straight lines: 0.85 lies above the mean."""
    network = IdentityNet(TINY)
    network.strangers.fill_(0.2)
    network.within.fill_(0.9)
    values = network.calibrated(torch.tensor([0.2, 0.55, 0.9, 0.95, 1.0]))
    torch.testing.assert_close(values, torch.tensor([0, 0.406, 0.812, 0.906, 1.0]), rtol=0, atol=1e-3)


def test_calibration_measures_unseen_recordings(trained):
    unseen = [recording(person, take) for person in range(80, 90) for take in range(2)]
    calibrate(trained, unseen)
    scores = [identity_similarity(trained, unseen[2 * i].frames, unseen[2 * i + 1].frames) for i in range(10)]
    assert float(torch.tensor(scores).median()) == pytest.approx(WITHIN_PERSON, abs=0.1)


def test_the_distance_grows_with_the_damage(trained):
    frames = recording(5, 0).frames / 255
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    little, much = (feature_distance(trained, frames, (frames + s * noise).clamp(0, 1)) for s in (0.02, 0.2))
    assert 0 < little < much


def test_gradients_reach_the_pixels(trained):
    frames = (recording(5, 0).frames / 255).requires_grad_()
    trained(frames)[:, 0].sum().backward()
    assert frames.grad.abs().sum() > 0


def test_refuses_one_person_alone():
    with pytest.raises(SettingsError, match="two people"):
        train_identity([recording(0, 0), recording(0, 1)], IdentityTraining(TINY))


def test_refuses_to_calibrate_without_second_recordings():
    with pytest.raises(SettingsError, match="two recordings"):
        calibrate(IdentityNet(TINY), [recording(0, 0), recording(1, 0)])
