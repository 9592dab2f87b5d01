"""A small network on the training loop: learns, resumes as if it had never stopped, says what it cannot go on with."""

import pytest
import torch
from torch import nn

from xdub_core.errors import CheckpointError, SettingsError
from xdub_core.training.mini.small_network import NetworkSettings, train_network
from xdub_core.training.optimizers import is_inner_matrix, make_optimizers
from xdub_core.training.trainer import LOG_NAME
from xdub_core.training.training_state import FILE_NAME


class StoppedError(Exception):
    pass


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def blur():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 1, 1))


def learn(network, settings, folder=None, on_progress=lambda _: None):
    """The sum of three numbers by a line; a box blur by convolutions."""
    shape = (8, 3) if isinstance(network, nn.Linear) else (4, 1, 8, 8)

    def losses(batch, _):
        x = batch["x"]
        wanted = x.sum(1, keepdim=True) if x.ndim == 2 else nn.functional.avg_pool2d(x, 3, 1, 1)
        return {"error": (network(x) - wanted).square().mean()}

    def draw(generator):
        return {"x": torch.rand(shape, generator=generator)}

    train_network("toy", network, losses, draw, settings, folder, on_progress)


def test_learns():
    seen = []
    learn(line(), NetworkSettings(200, warmup=10, learning_rate=0.05), on_progress=seen.append)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("toy", 200, 200)
    assert seen[-1].losses["error"] < 0.01 < seen[0].losses["error"]


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (line, {"learning_rate": 0.05}),
        (blur, {"optimizer": "muon", "matrix_rate": 0.02, "learning_rate": 0.01}),
    ],
)
def test_a_stopped_run_resumes_to_the_same_weights(tmp_path, make, changes):
    settings = NetworkSettings(60, checkpoint_every=30, warmup=5, **changes)
    whole, losses = make(), []
    learn(whole, settings, on_progress=losses.append)
    assert losses[-1].losses["error"] < losses[0].losses["error"] / 10

    def stop_at_40(progress):
        if progress.done == 40:
            raise StoppedError

    resumed, steps = make(), []
    with pytest.raises(StoppedError):
        learn(make(), settings, tmp_path, stop_at_40)
    learn(resumed, settings, tmp_path, lambda progress: steps.append(progress.done))
    assert steps == list(range(41, 61))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME, LOG_NAME]


def test_a_state_from_before_there_was_one_loop_is_told(tmp_path):
    state = tmp_path / "phonemes.state"
    torch.save({"network": {}, "step": 3}, state)
    with pytest.raises(CheckpointError, match=r"phonemes\.state is a file, .* delete it to start anew"):
        learn(line(), NetworkSettings(2), state)
    assert state.is_file()


def test_the_state_of_another_network_is_refused(tmp_path):
    learn(line(), NetworkSettings(2), tmp_path)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        learn(blur(), NetworkSettings(2), tmp_path)


def test_the_rate_rises_and_falls():
    settings = NetworkSettings(100, warmup=10)
    assert settings.rate(0) == pytest.approx(1e-4)
    assert settings.rate(10, peak=0.5) == pytest.approx(0.5)
    assert settings.rate(99) < 2e-5


def test_muon_takes_the_convolutions_and_vectors_do_not_decay():
    parameters = dict(blur().named_parameters())
    adam, muon = make_optimizers(parameters, NetworkSettings(1, optimizer="muon", matrix_rate=0.02))
    assert [name for name, weight in parameters.items() if is_inner_matrix(name, weight)] == ["0.weight"]
    assert [weight.shape for weight in muon.param_groups[0]["params"]] == [(6, 1, 3, 3)]
    assert {group["weight_decay"]: len(group["params"]) for group in adam.param_groups} == {1e-4: 1, 0.0: 2}
    assert muon.defaults["lr"] == 0.02


@pytest.mark.parametrize("unfit", [{}, {"optimizer": "muon", "matrix_rate": 0.0}])
def test_a_rate_of_matrices_is_muons(unfit):
    with pytest.raises(SettingsError, match="matrix_rate"):
        NetworkSettings(1, **{"matrix_rate": 0.02, **unfit})
