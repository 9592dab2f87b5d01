"""What is given to the transformer, and how its error counts."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.training.dub_it.pairs import pair
from xdub_core.errors import SettingsError
from xdub_core.training.dub_it.objective import PairLoss, PairObjective


class Seen:
    """A velocity that remembers what it was given, and is wrong by 1 in some cells."""

    def __init__(self, cells=None):
        self.pairs, self.cells = [], cells

    def __call__(self, given):
        self.pairs.append(given)
        wrong = torch.zeros_like(given.video)
        if self.cells is not None:
            wrong += self.cells
        return self.right(given.video, self.clean, given.sigma) + wrong, torch.zeros_like(given.audio)

    @staticmethod
    def right(noised, clean, sigma):
        return (noised - clean) / sigma


def losses(cells=None, seed=0, frames=17, face=True, **settings):
    made = pair(frames, face=face)
    batch = {name: value[None] for name, value in vars(made).items() if isinstance(value, torch.Tensor)}
    batch |= {"raw_text": torch.tensor([made.raw_text]), "fps": torch.tensor([25.0])}
    seen = Seen(cells)
    seen.clean = batch["target_video"]
    objective = PairObjective(nn.Identity(), seen, PairLoss(**settings))
    found = objective(batch, torch.Generator().manual_seed(seed))
    return {name: value.item() for name, value in found.items()}, seen.pairs[0], batch


def cells(where, size=(3, 2, 3)):
    error = torch.zeros(1, 1, *size)
    error[where] = 1
    return error


FACE, BEHIND = (0, 0, slice(None), 0, 0), (0, 0, slice(None), 1, 1)


def test_the_face_counts_ten_times_as_much_and_the_mean_weight_is_1():
    face, behind = (losses(cells(where), first_frame=0.0)[0]["video"] for where in (FACE, BEHIND))
    assert face / behind == pytest.approx(10, rel=1e-3)
    assert losses(torch.ones(1), first_frame=0.0)[0]["video"] == pytest.approx(1, rel=1e-3)


def test_without_a_mask_all_counts_alike():
    face, behind = (losses(cells(where), face=False, first_frame=0.0)[0]["video"] for where in (FACE, BEHIND))
    assert face == pytest.approx(behind, rel=1e-3)


def test_one_noise_level_noises_both_streams_of_the_target_and_nothing_of_the_source():
    _, given, batch = losses(first_frame=0.0)
    assert 0 < given.sigma < 1
    for name in ("source_video", "source_audio"):
        assert torch.equal(getattr(given, name), batch[name])
    for noised, clean in ((given.video, batch["target_video"]), (given.audio, batch["target_audio"])):
        noise = (noised - (1 - given.sigma) * clean) / given.sigma
        assert noise.std().item() == pytest.approx(1, abs=0.1)
        assert noise.mean().item() == pytest.approx(0, abs=0.1)


def test_a_given_first_frame_is_clean_and_has_no_loss():
    first = cells((0, 0, 0))
    loss, given, batch = losses(first, first_frame=1.0)
    assert given.given == 1
    assert torch.equal(given.video[:, :, :1], batch["target_video"][:, :, :1])
    assert not torch.equal(given.video[:, :, 1:], batch["target_video"][:, :, 1:])
    assert loss["video"] == pytest.approx(0, abs=1e-6)
    assert losses(first, first_frame=0.0)[0]["video"] > 0.01


def test_a_first_frame_is_given_in_its_share_of_the_steps():
    given = [losses(seed=seed, first_frame=0.1)[1].given for seed in range(200)]
    assert 8 <= sum(given) <= 34


def test_the_sound_has_its_weight():
    for weight in (0.0, 1.0, 2.5):
        found, _, _ = losses(torch.ones(1), audio=weight)
        assert found["loss"] == pytest.approx(found["video"] + weight * found["audio"], rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"face": 0.0}, {"background": -0.1}, {"audio": -1.0}, {"first_frame": 2.0}]
)
def test_odd_weights_are_told(wrong):
    with pytest.raises(SettingsError) as told:
        replace(PairLoss(), **wrong)
    assert "\n" not in str(told.value)
