"""The SyncNet: finds the sound that belongs to a mouth, on people and speech that it has never met."""

import sys
from pathlib import Path

import pytest
import torch

from xdub_core.errors import SettingsError
from xdub_core.evaluation.sync import score_embeddings, sync_score
from xdub_core.mini.syncnet import WINDOW, MiniSyncScorer, SyncConfig, SyncNet, crop_mouths
from xdub_core.training.mini.small_network import NetworkSettings
from xdub_core.training.mini.sync_training import SyncExample, SyncTraining, train_sync
from xdub_core.training.rewards import sync_loss

sys.path.insert(0, str(Path(__file__).parent))
from talking_dots import draw, features_of, openness_track

REGION = (0.32, 0.47, 0.68, 0.83)  # the dots' mouth
TINY = SyncConfig(audio_width=8, crop=16, picture_width=8, hidden=48, width=16)


def example(seed, frames=60):
    openness = openness_track(frames, seed)
    pictures, boxes, _ = draw(openness, side=32, seed=seed)
    return SyncExample(pictures, boxes, features_of(openness))


@pytest.fixture(scope="module")
def trained():
    settings = NetworkSettings(steps=150, batch_size=6, learning_rate=2e-3, warmup=20)
    network = train_sync([example(seed) for seed in range(16)], SyncTraining(TINY, settings, frames=32))
    return MiniSyncScorer(network, REGION)


def test_the_right_offset_wins_on_unseen_clips(trained):
    for seed in range(200, 206):
        unseen = example(seed)
        score = sync_score(trained, unseen.frames, unseen.features)
        assert abs(score.offset) <= 1
        assert score.confidence > 0.1


def test_a_late_sound_shows_as_its_delay(trained):
    unseen = example(300)
    late = unseen.features.roll(2 * 4, dims=0)
    score = sync_score(trained, unseen.frames, late)
    assert abs(score.offset - 4) <= 1


def test_another_speech_scores_lower(trained):
    own = [sync_score(trained, e.frames, e.features) for e in map(example, range(400, 406))]
    other = [
        sync_score(trained, e.frames, example(seed + 50).features)
        for seed, e in ((seed, example(seed)) for seed in range(400, 406))
    ]
    mean = lambda scores: sum(score.confidence for score in scores) / len(scores)  # noqa: E731
    assert mean(own) > 2 * mean(other)


def test_the_loss_pulls_lips_towards_their_sound(trained):
    """The loss is lower for the true lips than for closed ones, and its gradient reaches the pixels of the mouth."""
    e = example(500)
    trained.network.requires_grad_(False)
    frames = (e.frames / 255)[None].clone().requires_grad_()
    loss = sync_loss(trained, frames, e.features[None], window=8)
    loss.backward()
    closed, _, _ = draw(torch.zeros(60), side=32, seed=500)
    closed_loss = sync_loss(trained, (closed / 255)[None], e.features[None], window=8)
    assert loss < closed_loss
    gradient = frames.grad[0].abs().sum((0, 3))
    assert gradient[24:28, 12:20].mean() > 5 * gradient[:8].mean()


def test_crops_are_the_pixels_of_the_box():
    frames = torch.rand(1, 2, 20, 30, 3)
    boxes = torch.tensor([[[4.0, 6.0, 12.0, 14.0], [20.0, 3.0, 28.0, 11.0]]])
    crops = crop_mouths(frames, boxes, 8)
    torch.testing.assert_close(crops[0, 0], frames[0, 0, 6:14, 4:12].permute(2, 0, 1), rtol=0, atol=1e-5)
    torch.testing.assert_close(crops[0, 1], frames[0, 1, 3:11, 20:28].permute(2, 0, 1), rtol=0, atol=1e-5)


def test_windows_see_their_own_five_frames_and_ten_rows_and_a_row_beside():
    torch.manual_seed(0)
    network = SyncNet(TINY)
    mouths, features = torch.rand(1, 12, 3, 16, 16), torch.randn(1, 24, 8)
    changed_mouths, changed_features = mouths.clone(), features.clone()
    changed_mouths[:, 6] = 0
    changed_features[:, 12:14] = 0
    video = (
        (network.embed_mouths(mouths) - network.embed_mouths(changed_mouths)).abs().sum(2)[0].nonzero()[:, 0]
    )
    audio = (
        (network.embed_audio(features) - network.embed_audio(changed_features))
        .abs()
        .sum(2)[0]
        .nonzero()[:, 0]
    )
    assert video.tolist() == [2, 3, 4, 5, 6]
    assert audio.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_confidence_is_the_median_less_the_least_distance():
    """Sound that equals the picture's embeddings three windows later: distance 0 there, about 1.4 elsewhere."""
    vectors = torch.nn.functional.normalize(
        torch.randn(80, 64, generator=torch.Generator().manual_seed(0)), dim=1
    )
    score = score_embeddings(vectors[:60], vectors[3:63], WINDOW)
    assert score.offset == -3
    assert score.distance == pytest.approx(0, abs=1e-3)
    assert score.confidence == pytest.approx(1.414, abs=0.05)
    assert score_embeddings(*[vectors[:1].expand(60, -1)] * 2, WINDOW).confidence == pytest.approx(0)


def test_refuses_clips_too_short_to_shift(trained):
    e = example(1, frames=20)
    with pytest.raises(SettingsError, match="20 frames"):
        sync_score(trained, e.frames, e.features)


def test_refuses_examples_that_do_not_fit():
    e = example(0)
    with pytest.raises(SettingsError, match="80 frames"):
        train_sync([e], SyncTraining(TINY, NetworkSettings(1), frames=80))
    with pytest.raises(SettingsError, match="rows for each"):
        train_sync([SyncExample(e.frames, e.boxes, e.features[:100])], SyncTraining(TINY, NetworkSettings(1)))
